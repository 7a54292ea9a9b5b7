"""`qcluster status`: from what a host said to a row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qcluster.command import Command
from qcluster.errors import UnreadableOutput
from qcluster.facts.docker import Listed
from qcluster.facts.instances import Engine, Running, parse
from qcluster.facts.proven import Proof
from qcluster.report.ailing import absent, ailing, starting, taken_down
from qcluster.report.standing import standing
from qcluster.report.status import Expected, Row, aligned, compact, duration, row, table
from qcluster.result import Outcome

EXPECTED = Expected("p-0", "prefill", "p", (0, 1), 7100, "box")
UP = Listed("box", "running", "d", "x", "Up 2 minutes")
DOWN = Listed("box", "exited", "d", "x", "Exited (0)")
LOADING = Engine("p-0", "running", 61, None, ("Loading safetensors checkpoint shards:  27% Completed | 3/11",))

SERVED = replace(LOADING, tail=("INFO: Application startup complete.",))
GONE = row(EXPECTED, Running((DOWN,), (SERVED,)), False)
WELL = row(EXPECTED, Running((UP,), (SERVED,)), True)
SICK = row(EXPECTED, Running((UP,), (SERVED,)), False)
NOW = 1000.0
"""WELL and SICK have been running for 61 s then."""


def said(text: str) -> Running:
    return parse(Outcome(Command(("sh",)), 0, text.encode()))


def test_an_answer_is_containers_and_engines_with_the_end_of_their_logs() -> None:
    found = said(
        "@containers\nbox\trunning\td\tx\tUp\n@engine p-0 running 61 -\n INFO: a\n @b\n@engine p-1 exited 9 1\n@end\n"
    )
    assert found.containers == (Listed("box", "running", "d", "x", "Up"),)
    assert found.engines == (Engine("p-0", "running", 61, None, ("INFO: a", "@b")), Engine("p-1", "exited", 9, 1))


@pytest.mark.parametrize("text", ["", "@containers\n", "@containers\n@engine p-0 running 61 -\n INFO"])
def test_an_answer_that_was_cut_off_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableOutput):
        said(text)


@pytest.mark.parametrize(
    ("found", "healthy", "state", "milestone", "health"),
    [
        (None, False, "unreachable", "", "unknown"),
        (Running(), False, "absent", "", "down"),
        (Running((), (LOADING,), "Cannot connect"), False, "unknown", "", "unknown"),
        (Running((UP,), (LOADING,)), False, "running", "weights 3/11", "starting"),
        (Running((UP,), (LOADING,)), True, "running", "complete", "ok"),
        (Running((UP,), (Engine("p-0", "exited", 5, 1),)), False, "exited 1", "started", "down"),
        (Running((DOWN,), (LOADING,)), False, "stopped", "weights 3/11", "down"),
        (Running((DOWN,), (SERVED,)), False, "stopped", "", "down"),
        (Running((UP,), (SERVED,)), False, "running", "complete", "down"),
        (Running((), (LOADING,)), False, "absent", "", "down"),
        (Running((UP,), (Engine("p-0", "never", 0, None),)), False, "running", "started", "starting"),
    ],
)
def test_rows(found: Running | None, healthy: bool, state: str, milestone: str, health: str) -> None:
    made = row(EXPECTED, found, healthy)
    assert (made.state, made.milestone, made.health) == (state, milestone, health)


def test_without_docker_the_host_sees_the_process_or_not() -> None:
    native = replace(EXPECTED, native=True)
    assert row(native, Running((), (LOADING,)), False).state == "running"
    assert row(native, Running((), (replace(LOADING, state="unseen"),)), False).state == "stopped"
    assert row(native, Running(), False).state == "absent"


def test_a_container_from_before_says_nothing_of_a_process_on_the_host() -> None:
    native, old = replace(EXPECTED, native=True), Listed(EXPECTED.container, "exited", "demo", "d", "Exited (0)")
    assert row(native, Running((old,), (LOADING,)), True).state == "running"
    assert row(EXPECTED, Running((old,), (LOADING,)), True).state == "stopped"


def test_the_age_is_that_of_a_running_engine_only() -> None:
    assert row(EXPECTED, Running((UP,), (LOADING,)), True).age == 61
    assert row(EXPECTED, Running((DOWN,), (LOADING,)), False).age is None


def test_the_table_has_a_line_a_process() -> None:
    lines = table([row(EXPECTED, Running((UP,), (LOADING,)), True)])
    assert lines[1].split() == ["p-0", "p", "0-1", "7100", "box", "running", "1m01s", "complete", "ok"]


def test_columns_stay_aligned_with_wide_characters() -> None:
    assert aligned([("节点", "x"), ("a", "y")]) == ["节点  x", "a     y"]


@pytest.mark.parametrize(("numbers", "text"), [((), ""), ((0, 1, 2, 3, 8), "0-3,8"), ((10, 12), "10,12"), ((5,), "5")])
def test_npus_are_shown_as_ranges(numbers: tuple[int, ...], text: str) -> None:
    assert compact(numbers) == text


@pytest.mark.parametrize(("seconds", "text"), [(45, "45s"), (200, "3m20s"), (18120, "5h02m"), (1051200, "12d4h")])
def test_ages_have_two_units(seconds: int, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("rows", "proof", "sentence"),
    [
        ([replace(GONE, state="absent")], None, "not running; `qcluster up a.yaml` starts it"),
        ([GONE], Proof(950, "up"), "stopped; `qcluster up a.yaml` starts it again, `qcluster down a.yaml` removes"),
        ([WELL], None, "1 of 1 healthy; never proven"),
        ([WELL], Proof(950, "up"), "1 of 1 healthy; last proof passed"),
        ([WELL], Proof(930, "up"), "1 of 1 healthy; not proven as it runs now (last proof passed"),
        ([WELL, GONE], Proof(950, "up"), "(up)); `qcluster up a.yaml` starts what does not run"),
        ([WELL, SICK], Proof(950, "up", "garbage"), "(up); `qcluster doctor a.yaml` looks for the reason"),
    ],
)
def test_what_is_gone_and_what_was_proven_before_is_not_told_as_if_it_were_now(
    rows: list[Row], proof: Proof | None, sentence: str
) -> None:
    assert sentence in standing("small", "a.yaml", rows, proof, NOW)


@pytest.mark.parametrize(
    ("ill", "seen", "remedy"),
    [
        (SICK, "runs, and its health check does not answer with 200", "then `qcluster restart p-0`"),
        (replace(SICK, role="proxy"), "runs, and its health check", "`qcluster up a.yaml` starts it again"),
        (GONE, "does not run (stopped)", "`qcluster logs p-0` shows why; `qcluster up a.yaml`"),
        (replace(GONE, state="absent"), "is not there", "; `qcluster up a.yaml` starts it"),
        (replace(GONE, state="exited 1"), "has ended with exit code 1; ", "`qcluster up a.yaml` starts it again"),
        (
            replace(GONE, state="exited 137"),
            "has ended with exit code 137 (SIGKILL: out of memory?",
            "`qcluster logs p-0`",
        ),
        (replace(GONE, state="exited 139"), "has ended with exit code 139 (SIGSEGV); ", "`qcluster logs p-0`"),
    ],
)
def test_what_does_not_serve_is_told_with_how_it_is_seen_and_what_helps(ill: Row, seen: str, remedy: str) -> None:
    (line,) = ailing([WELL, ill], "a.yaml")
    assert line.startswith(f"p-0 on p {seen}") and remedy in line


def test_what_nobody_could_ask_what_starts_and_what_nobody_started_is_not_ill() -> None:
    loading = row(EXPECTED, Running((UP,), (LOADING,)), False)
    lost, silent = row(EXPECTED, None, False), row(EXPECTED, Running((), (LOADING,), "Cannot connect"), False)
    assert ailing([WELL, loading, lost, silent], "a.yaml") == ()
    assert list(starting([WELL, loading])) == ["p-0 on p is still starting: weights 3/11"]
    nothing = [replace(GONE, state="absent")]
    assert absent(nothing) and not ailing(nothing, "a.yaml") and taken_down(nothing) == {"p-0"}
