"""Detached jobs (`async`)."""

from __future__ import annotations

from qcluster.engine.act import Launch
from qcluster.engine.job import Job
from qcluster.modules.base import Call
from qcluster.templating import Templar


def launcher(job: Job, call: Call, templar: Templar) -> Launch | None:
    """How a task's steps are detached; None where it has no `async`."""
    return None
