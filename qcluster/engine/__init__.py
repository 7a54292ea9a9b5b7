"""Plan × playbook × transport → results. `load` reads a playbook, `run` carries it out."""

from __future__ import annotations

from qcluster.engine.load import load
from qcluster.engine.options import RunOptions
from qcluster.engine.run import run

__all__ = ["RunOptions", "load", "run"]
