"""The live view: finished lines scroll up, a board below them fits the terminal, whatever the cluster's size."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from qcluster.events import Event, OperatorAnswered, OperatorAsked, Progress
from qcluster.report.board import Board, Moving, Pinned, by_milestone, gathered
from qcluster.report.lines import Lines, Style
from qcluster.report.spans import Span
from qcluster.report.timings import Expected

ON_THE_BOARD = ("milestone", "bytes", "count")
"""What moves is shown below; only what is said once scrolls by."""
REFRESH = 8
"""Redraws a second."""
MARGIN = 26
"""Cells before the text of a row that `Lines` makes: what became of it, and on which host."""
FEW = 4
"""Hosts whose running tasks are shown each on its own."""
WIDEST = 120
"""Columns after which a clock would stand too far from what it tells of."""
CTRL_C = 3
"""Columns left free: a terminal writes `^C` behind the last line, and must not begin another one for it."""
PINNED = 3
"""Failures that stay in sight; the others are counted."""


class LiveReporter:
    """Lines above, board below. Drawing happens in rich's own thread, `REFRESH` times a second."""

    def __init__(
        self, stream: IO[str], style: Style, expected: Expected | None = None, clock: Callable[[], float] = time.time
    ):
        self._lines, self._board, self._clock = Lines(style), Board(), clock
        self._expected = expected or Expected()
        self._turn = threading.Lock()  # events come from the engine's threads, drawing is done in rich's
        self._console = Console(file=stream)
        self._live = self._drawing()

    def __call__(self, event: Event) -> None:
        with self._turn:
            self._board.take(event)
        if isinstance(event, OperatorAsked):
            self._live.stop()  # a board would be drawn over the question, and over what is typed
        elif isinstance(event, OperatorAnswered):
            self._live = self._drawing()
        if isinstance(event, Progress) and event.kind in ON_THE_BOARD:
            return
        for line in self._lines.of(event):
            for text in folded(Text.from_ansi(line), self._console):
                self._console.print(text, soft_wrap=True)

    def close(self) -> None:
        self._live.stop()

    def _drawing(self) -> Live:
        """A board from here on. One that was stopped would be drawn again where it stood, over lines since then."""
        live = Live(console=self._console, get_renderable=self._draw, refresh_per_second=REFRESH, transient=True)
        live.start()
        return live

    def _draw(self) -> RenderableType:
        width, height = self._console.size
        with self._turn:
            size = min(width - CTRL_C, WIDEST), height - 1
            return Group(*draw(self._board, self._expected, size, self._clock()))


def folded(line: Text, console: Console) -> list[Text]:
    """A row of a host over as many lines as it needs, each below the row's own text; other lines as they are."""
    room = console.width - MARGIN
    if cell_len(line.plain) <= console.width or line.plain[:2] != "  " or room < MARGIN:
        return [line]
    first, *more = line[MARGIN:].wrap(console, room)
    return [line[:MARGIN].append_text(first), *(Text(" " * MARGIN).append_text(part) for part in more)]


def draw(board: Board, expected: Expected, size: tuple[int, int], now: float) -> list[Text]:
    """The board as lines: no line wider and no more lines than `size` says (columns, lines)."""
    width, height = size
    if not board.verb:
        return []
    head = _head(board, expected, now)
    pinned = list(_pinned(list(board.failures.values())))
    room = max(2, height - 2 - len(pinned))
    tree = list(_tree(board, expected, now))[-max(2, room // 2) :]
    moving = list(_moving(board, expected, now, max(1, room - len(tree))))
    return [row.fitted(width) for row in [head, *tree, *moving, *pinned]]


def _head(board: Board, expected: Expected, now: float) -> Row:
    hosts = f"{board.hosts} host{'s' if board.hosts != 1 else ''}"
    about = f" of about {clock_text(expected.total)}" if expected.total else ""
    text = Text(f"{board.verb} · {hosts} · {clock_text(now - board.started)}{about}", style="bold")
    return Row(Text.assemble(text, (f" · {board.finished} tasks done", "dim")), "◆ critical path")


def _tree(board: Board, expected: Expected, now: float) -> Iterator[Row]:
    """Plays that are over in one line each, the present one with its stages, and what is still to come."""
    critical = board.spans.critical(now)
    for play in board.spans.plays[:-1]:
        own = board.spans.of(play)
        if own:
            seconds = max(span.end for span in own) - min(span.begin for span in own)
            yield _row(_mark(own), play, _names(own, critical), clock_text(seconds))
    present = board.spans.of(board.spans.now)
    yield _row(_mark(present), board.spans.now, "", "")
    for span in present:
        yield _stage(span, (span.play, span.name) in critical, board.spans.hosts, expected, now)
    later = [stage for play, stage in expected.stages if play not in board.spans.plays]
    if later:
        yield _row(("·", "dim"), "then", ", ".join(dict.fromkeys(later)), "")


def _mark(own: Sequence[Span]) -> tuple[str, str]:
    if any(span.failed for span in own):
        return "✕", "red"
    return ("▸", "cyan") if not own or any(span.running for span in own) else ("✓", "green")


def _names(own: Sequence[Span], critical: set[tuple[str, str]]) -> str:
    """Stages on the critical path are marked with a diamond, as in the tree of the present play."""
    return ", ".join(f"◆{span.name}" if (span.play, span.name) in critical else span.name for span in own)


def _stage(span: Span, critical: bool, hosts: int, expected: Expected, now: float) -> Row:
    took = now - span.begin if span.running else span.seconds
    usual = expected.stages.get((span.play, span.name))
    where = f"{span.running} host{'s' if span.running != 1 else ''}" if span.running else ""
    text = where + (" · the others wait" if critical and 0 < span.running < hosts else "")
    sign, colour = _mark([span])
    about = f" ~{clock_text(usual)}" if usual and span.running else ""
    return _row((f"  {sign}", colour), f"{'◆' if critical else ''}{span.name}", text, f"{clock_text(took)}{about}")


def _moving(board: Board, expected: Expected, now: float, room: int) -> Iterator[Row]:
    """Bytes and milestones: each on its own while they fit, else together."""
    transfers, instances = board.transfers(), board.instances()
    rows = [*transfers, *instances]
    if len(rows) > room:
        rows = [*gathered(transfers), *by_milestone(instances)]
    if not rows:
        rows = _tasks(list(board.running.values()), min(room, FEW))
    for row in rows[: room if len(rows) <= room else room - 1]:
        yield _thing(row, expected, now)
    if len(rows) > room:
        yield Row(Text(f"    … and {len(rows) - room + 1} more", style="dim"))


def _tasks(running: list[Moving], room: int) -> list[Moving]:
    """The running tasks, a row for each host; where these are too many, a row for each task."""
    if len(running) <= room:
        return running
    groups: dict[str, list[Moving]] = {}
    for one in running:
        groups.setdefault(one.text, []).append(one)
    return [Moving(f"{len(own)} hosts", "", text, min(one.since for one in own), 0.0) for text, own in groups.items()]


def _thing(row: Moving, expected: Expected, now: float) -> Row:
    spent = clock_text(now - row.since)
    usual = expected.milestones.get(row.milestone) if row.milestone else None
    whole = max(expected.milestones.values(), default=0.0) if row.milestone and not row.over else 0.0
    about = f" ~{clock_text(whole)}" if whole and usual is not None else ""
    place = f"{row.host} " if row.host and row.host != row.subject and not row.milestone else ""
    bar = _bar(row.part) if row.total else ""
    return _row(("   ", ""), f"{place}{row.subject}", f"{bar} {row.text}".strip(), "" if row.over else spent + about)


def _bar(part: float, width: int = 16) -> str:
    full = round(part * width)
    return "━" * full + "╌" * (width - full)


def _pinned(failures: Sequence[Pinned]) -> Iterator[Row]:
    for one in failures[:PINNED]:
        hosts = one.hosts[0] if len(one.hosts) == 1 else f"{one.hosts[0]} and {len(one.hosts) - 1} more"
        yield Row(Text(f"✕ {hosts}: {one.title}: {one.line}", style="bold red"))
    if len(failures) > PINNED:
        yield Row(Text(f"✕ and {len(failures) - PINNED} more failures, above", style="bold red"))


NAME = 26
"""Cells of the column that says what a row is about."""


class Row(NamedTuple):
    """One line of the board; `clock` stands at the right edge and is never cut."""

    body: Text
    clock: str = ""

    def fitted(self, width: int) -> Text:
        room = width - cell_len(self.clock) - 1 if self.clock else width
        self.body.truncate(room, overflow="ellipsis", pad=bool(self.clock))
        return self.body.append(f" {self.clock}") if self.clock else self.body


def _row(sign: tuple[str, str], name: str, text: str, clock: str) -> Row:
    body = Text(f"{sign[0]} ", style=sign[1])
    padded = set_cell_size(name, max(cell_len(name), NAME - cell_len(sign[0])))
    return Row(Text.assemble(body, padded, (f" {text}", "dim")), clock)


def clock_text(seconds: float) -> str:
    """`7s`, `1:05`, `1:02:03`."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole}s"
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"
