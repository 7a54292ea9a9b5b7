"""The last lines of `up` and `down`: where it serves, what is free, what was left alone, what could not be reached."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qcluster.cli.began import lived
from qcluster.cli.closing import Told, last_words, stopped, unchosen
from qcluster.events import HostFinished, RunFinished, TaskStarted
from qcluster.result import Status, TaskResult

PLAN: Any = SimpleNamespace(
    deployment="small",
    hosts=[SimpleNamespace(name="p1")],
    instances=[SimpleNamespace(port=None)] * 2,
    proxy=SimpleNamespace(address="10.0.0.1", port=1999),
    model=SimpleNamespace(served_name="qwen3.5"),
)


def heard(module: str, host: str, status: Status, **values: Any) -> Told:
    told = Told()
    told(TaskStarted(1.0, "play", "task", "t1", "down.yaml:1", module))
    told(HostFinished(2.0, "play", "task", "t1", host, TaskResult(host, status, values=values)))
    told(RunFinished(3.0, 0, {}, 2.0))
    return told


@pytest.mark.parametrize(
    ("told", "code", "lines"),
    [
        (heard("npus_free", "p1", Status.OK), 0, ["small: nothing ran, NPUs free, 2.0 s"]),
        (heard("npus_free", "p1", Status.SKIPPED), 0, ["small: nothing ran, NPUs not looked at, 2.0 s"]),
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


def test_down_of_some_hosts_does_not_say_that_all_is_stopped() -> None:
    plan: Any = SimpleNamespace(**{**vars(PLAN), "hosts": [SimpleNamespace(name=name) for name in ("p1", "d1")]})
    (line,) = stopped(plan, heard("npus_free", "d1", Status.OK), Path("a.yaml"), 0)
    assert line == "small on d1: nothing ran, NPUs free, 2.0 s; not asked, what runs there goes on: p1"


@pytest.mark.parametrize(("module", "status"), [("host_facts", Status.OK), ("smoke", Status.SKIPPED)])
def test_a_run_that_left_the_proof_out_claims_nothing(module: str, status: Status) -> None:
    (line,) = last_words(PLAN, "up", heard(module, "p1", status), Path("a.yaml"), 0)
    assert line == "not proven: no task of this run asked the service, 2.0 s; `qcluster smoke a.yaml` does"


@pytest.mark.parametrize(
    ("verb", "status", "begins"),
    [
        ("up", Status.OK, "nothing changed; http://10.0.0.1:1999/v1 serves"),
        ("up", Status.CHANGED, "http://10.0.0.1:1999/v1 serves"),
        ("smoke", Status.OK, "http://10.0.0.1:1999/v1 serves"),
        ("scale", Status.CHANGED, "http://10.0.0.1:1999/v1 serves"),
    ],
)
def test_up_says_where_clients_go_and_whether_anything_changed(verb: str, status: Status, begins: str) -> None:
    (line,) = last_words(PLAN, verb, heard("smoke", "p1", status), Path("a.yaml"), 0)
    assert line == f"{begins} qwen3.5 (2 instances), 2.0 s"


def test_the_time_begins_when_the_operator_began_to_wait() -> None:
    told = Told(1.5)
    told(RunFinished(3.0, 0, {}, 2.0))
    assert told.elapsed == 3.5
    assert 0 < lived() < 86400


@pytest.mark.parametrize(
    ("told", "code", "lines"),
    [
        (Told(), 0, ["no task was chosen by --tags nosuch --skip-tags b; --list-tags names those that there are"]),
        (Told(), 2, []),
        (heard("smoke", "p1", Status.OK), 0, []),
    ],
)
def test_tags_that_choose_nothing_are_named(told: Told, code: int, lines: list[str]) -> None:
    assert list(unchosen(told, ["nosuch"], ["b"], code)) == lines
