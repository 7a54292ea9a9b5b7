"""The live view: what is on the board, that it fits the terminal, and what earlier runs lead one to expect."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from qcluster.events import (
    Event,
    HostFinished,
    HostStarted,
    OperatorAnswered,
    OperatorAsked,
    PlayStarted,
    Progress,
    RunFinished,
    RunStarted,
    TaskStarted,
)
from qcluster.report.board import ORDER, Board, extent
from qcluster.report.console import PlainReporter, human
from qcluster.report.journal import Journal, expectation
from qcluster.report.lines import Style
from qcluster.report.live import LiveReporter, clock_text, draw, folded
from qcluster.report.timings import Expected
from qcluster.result import Status, TaskResult

TERMINAL = {"TERM": "xterm"}


def started(hosts: int) -> list[Event]:
    names = tuple(f"node-{i:03}" for i in range(hosts))
    begun: list[Event] = [RunStarted(0.0, "up", "up.yaml", "i.yaml", names)]
    for at, play, uid, module, role in (
        (0.0, "facts", "t0", "host_facts", "preflight"),
        (9.0, "start", "t1", "engine_container", "engine"),
    ):
        begun += [PlayStarted(at, play, names), TaskStarted(at, play, f"{role} : work", uid, "x:1", module, role)]
        begun += [HostStarted(at, play, "work", uid, name) for name in names]
        begun += [finished(name, at + 5, play, uid) for name in names if uid == "t0"]
    return begun


def finished(host: str, at: float, play: str = "start", uid: str = "t1", **how: object) -> HostFinished:
    result = {"status": Status.OK, "elapsed": 5.0, **how}
    return HostFinished(at, play, "work", uid, host, TaskResult(host, **result))  # type: ignore[arg-type]


def milestone(host: str, place: int, at: float = 12.0, shard: int = 0) -> Progress:
    data = {"milestone": ORDER[place]}
    return Progress(at, host, f"{host}-0", "milestone", f"{ORDER[place]} now", shard, 8 if shard else 0, data=data)


def board(*events: Event, hosts: int = 2) -> Board:
    made = Board()
    for event in (*started(hosts), *events):
        made.take(event)
    return made


def drawn(made: Board, size: tuple[int, int] = (80, 23), expected: Expected = Expected()) -> list[str]:  # noqa: B008
    lines = [line.plain for line in draw(made, expected, size, 20.0)]
    assert len(lines) <= size[1]
    assert max(map(len, lines)) <= size[0]
    return lines


def test_stages_stand_below_their_play_and_what_is_over_takes_one_line() -> None:
    lines = drawn(board())
    assert lines[0].startswith("up · 2 hosts · 20s · 2 tasks done")
    assert lines[1].split() == ["✓", "facts", "◆preflight", "5s"]
    assert lines[2].split() == ["▸", "start"]
    assert lines[3].split() == ["▸", "◆engine", "2", "hosts", "11s"]
    assert lines[4].split()[0] == "node-000"


def test_an_instance_has_a_bar_and_the_time_that_earlier_runs_took() -> None:
    expected = Expected(
        2, 95.0, {("start", "engine"): 60.0, ("prove", "health"): 3.0}, {"weights": 30.0, "complete": 55.0}
    )
    lines = drawn(board(milestone("node-000", ORDER.index("weights"), shard=4)), expected=expected)
    assert "20s of about 1:35" in lines[0]
    assert lines[3].endswith("11s ~1:00")
    assert lines[4].split() == ["·", "then", "health"]
    assert "━━━" in lines[5] and "weights now" in lines[5] and lines[5].endswith(" 8s ~55s")


@pytest.mark.parametrize("hosts", [2, 16, 300])
@pytest.mark.parametrize("size", [(80, 23), (120, 39), (40, 10)])
def test_the_board_fits_whatever_the_cluster(hosts: int, size: tuple[int, int]) -> None:
    names = [f"node-{i:03}" for i in range(hosts)]
    moving: list[Event] = [milestone(name, place % len(ORDER)) for place, name in enumerate(names)]
    moving += [Progress(11.0, name, "weights", "bytes", "3.1 GB", 3.1, 9.0, "bytes") for name in names]
    lines = drawn(board(*moving, hosts=hosts), size)
    assert any("weights" in line for line in lines)
    if hosts == 300 and size[1] > 20:
        assert any(f"{hosts} hosts; last node-000: 3.1 GB" in line for line in lines)
        assert sum("25 instances" in line for line in lines) == len(ORDER)
        assert any("node-008-0 longest" in line for line in lines)


def test_failures_stay_in_sight_once_each_and_the_first_three() -> None:
    made = board(
        *(finished(f"node-00{i}", 13.0 + i, status=Status.FAILED, message=f"no disk {i // 2}\nmore") for i in range(9))
    )
    lines = drawn(made)
    assert lines[-4:-2] == [
        "✕ node-000 and 1 more: engine : work: no disk 0",
        "✕ node-002 and 1 more: engine : work: no disk 1",
    ]
    assert lines[-1] == "✕ and 2 more failures, above"
    assert "✕ ◆engine" in lines[3]


def test_others_wait_only_where_they_have_not_failed() -> None:
    done, lost = finished("node-000", 13.0), finished("node-000", 13.0, status=Status.FAILED, message="no disk")
    assert "1 host · the others wait" in drawn(board(done))[3]
    assert "wait" not in drawn(board(lost))[3]


def test_what_is_done_leaves_the_board() -> None:
    transfer = Progress(11.0, "node-000", "image", "count", "3/8 layers", 3, 8, "layers")
    assert any("3/8 layers" in line for line in drawn(board(transfer)))
    over = Progress(12.0, "node-000", "image", "count", "8/8 layers", 8, 8, "layers")
    assert not any("layers" in line for line in drawn(board(transfer, over)))


def test_a_start_is_as_far_as_its_milestones_and_shards() -> None:
    place = ORDER.index("weights")
    assert extent(milestone("a", place, shard=2)) == (place + 0.25, len(ORDER) - 1)
    done, total = extent(milestone("a", len(ORDER) - 1))
    assert done == total
    assert extent(Progress(1.0, "a", "image", "count", "", 3, 8)) == (3, 8)


def journalled(root: Path, name: str, seconds: float, code: int = 0) -> None:
    journal = Journal(root / name)
    journal.save_plan({"deployment": "demo"})
    events = [*started(1), milestone("node-000", 3, at=9.0 + seconds / 2), finished("node-000", 9.0 + seconds)]
    for event in (*events, RunFinished(9.0 + seconds, code, {}, 9.0 + seconds)):
        journal(event)
    journal.close()


def test_a_run_is_expected_to_take_what_the_good_ones_before_took(tmp_path: Path) -> None:
    for day, seconds in enumerate((10.0, 20.0, 60.0)):
        journalled(tmp_path, f"2026010{day}-000000-up", seconds)
    journalled(tmp_path, "20260104-000000-up", 500.0, code=1)
    journalled(tmp_path, "20260105-000000-down", 900.0)
    found = expectation(tmp_path, "up", "demo")
    assert (found.runs, found.total) == (3, 29.0)
    assert found.stages == {("facts", "preflight"): 5.0, ("start", "engine"): 20.0}
    assert found.milestones == {ORDER[3]: 10.0}
    assert expectation(tmp_path, "up", "another") == Expected()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_view_of_a_whole_run_ends_without_the_board() -> None:
    stream = Terminal()
    reporter = human(stream, TERMINAL, Style(), lambda: Expected(1, 60.0))
    assert isinstance(reporter, LiveReporter)
    failed = finished("node-001", 13.0, status=Status.FAILED, message="no disk")
    for event in (*started(2), milestone("node-000", 3), failed, RunFinished(20.0, 1, {}, 20.0)):
        reporter(event)
    reporter.close()
    text = Text.from_ansi(stream.getvalue()).plain
    assert "failed      node-001" in text
    assert "of about 1:00" in text, "the board was drawn"
    assert stream.getvalue().rstrip().endswith("\x1b[2K"), "and wiped"


def test_a_question_is_not_drawn_over() -> None:
    stream = Terminal()
    reporter = human(stream, TERMINAL, Style())
    for event in started(2):
        reporter(event)
    reporter(OperatorAsked(12.0, "Go on"))
    asked = len(stream.getvalue())
    assert stream.getvalue().endswith("\x1b[2K"), "the board is wiped first"
    reporter(finished("node-001", 13.0, status=Status.FAILED, message="no disk"))
    assert len(stream.getvalue()) == asked
    reporter(OperatorAnswered(14.0))
    reporter.close()
    since = stream.getvalue()[asked:]
    assert "no disk" in since and "up · 2 hosts" in since
    assert "\x1b[1A" not in since.split("no disk")[0], "nothing above the board is touched"


@pytest.mark.parametrize(
    ("stream", "environ", "style"),
    [
        (io.StringIO(), TERMINAL, Style()),
        (Terminal(), {**TERMINAL, "CI": "1"}, Style()),
        (Terminal(), {**TERMINAL, "NO_COLOR": "1"}, Style()),
        (Terminal(), TERMINAL, Style(quiet=True)),
    ],
    ids=["a pipe", "CI", "NO_COLOR", "quiet"],
)
def test_without_a_terminal_there_are_plain_lines(stream: io.StringIO, environ: dict[str, str], style: Style) -> None:
    reporter = human(stream, environ, style)
    assert isinstance(reporter, PlainReporter)
    reporter(finished("a", 1.0, status=Status.FAILED, message="no disk"))
    assert stream.getvalue().splitlines()[-1].strip() == "no disk"
    assert "\x1b" not in stream.getvalue()


def test_a_long_line_goes_on_below_its_own_text() -> None:
    console = Console(file=io.StringIO(), width=60)
    lines = folded(Text(f"  {'changed':<11} {'p1':<12}" + "copy a file with a very long name to it"), console)
    assert [line.plain for line in lines] == [
        "  changed     p1          copy a file with a very long name ",
        " " * 26 + "to it",
    ]
    assert len(folded(Text("PLAY " + "x" * 99), console)) == 1


@pytest.mark.parametrize(("seconds", "text"), [(7, "7s"), (65, "1:05"), (3723, "1:02:03"), (-1, "0s")])
def test_durations_read_as_a_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text
