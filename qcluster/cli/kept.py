"""Where the controller keeps what runs and measurements leave, below the folder the command was given in."""

from __future__ import annotations

from pathlib import Path

RUNS = Path(".qcluster") / "runs"
"""The journals: a folder a run."""
RESULTS = Path(".qcluster") / "results"
"""Of `bench` and `eval`: a folder a measurement."""
