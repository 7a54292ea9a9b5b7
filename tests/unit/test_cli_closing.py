"""The last lines of `down`: what is free, what was left alone, what could not be reached."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qcluster.cli.closing import Told, stopped
from qcluster.events import HostFinished, RunFinished, TaskStarted
from qcluster.result import Status, TaskResult

PLAN: Any = SimpleNamespace(deployment="small")


def heard(module: str, host: str, status: Status, **values: Any) -> Told:
    told = Told()
    told(TaskStarted(1.0, "play", "task", "t1", "down.yaml:1", module))
    told(HostFinished(2.0, "play", "task", "t1", host, TaskResult(host, status, values=values)))
    told(RunFinished(3.0, 0, {}, 2.0))
    return told


@pytest.mark.parametrize(
    ("told", "code", "lines"),
    [
        (heard("npus_free", "p1", Status.OK), 0, ["small: stopped, NPUs free, 2.0 s"]),
        (heard("npus_free", "p1", Status.SKIPPED), 0, ["small: stopped, NPUs not looked at, 2.0 s"]),
        (heard("npus_free", "p1", Status.FAILED), 1, []),
        (
            heard("deployment_stopped", "p1", Status.CHANGED, left=["db"]),
            0,
            ["left alone on p1: db (not of small)", "small: stopped, NPUs not looked at, 2.0 s"],
        ),
        (
            heard("host_facts", "d1", Status.UNREACHABLE),
            3,
            [
                "not stopped on d1, which cannot be reached; what runs there goes on and keeps its NPUs",
                "  qcluster down a.yaml --limit d1   when it answers again",
            ],
        ),
    ],
)
def test_down_says_what_it_leaves(told: Told, code: int, lines: list[str]) -> None:
    assert list(stopped(PLAN, told, Path("a.yaml"), code)) == lines
