"""The live view: finished lines scroll up, a board of what runs now stays at the bottom."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qcluster.events import Event, Progress
from qcluster.report.board import Board, Moving
from qcluster.report.lines import Lines, Style

ON_THE_BOARD = ("milestone", "bytes", "count")
"""What moves is shown below; only what is said once scrolls by."""
REFRESH = 8
"""Redraws a second."""


class LiveReporter:
    """Lines above, board below. Drawing happens in rich's own thread, `REFRESH` times a second."""

    def __init__(self, stream: IO[str], style: Style, clock: Callable[[], float] = time.time):
        self._lines, self._board, self._clock = Lines(style), Board(), clock
        self._console = Console(file=stream)
        self._live = Live(console=self._console, get_renderable=self._draw, refresh_per_second=REFRESH, transient=True)
        self._live.start()

    def __call__(self, event: Event) -> None:
        self._board.take(event)
        if isinstance(event, Progress) and event.kind in ON_THE_BOARD:
            return
        for line in self._lines.of(event):
            self._console.print(Text.from_ansi(line), soft_wrap=True)

    def close(self) -> None:
        self._live.stop()

    def _draw(self) -> RenderableType:
        limit = max(4, self._console.height - 6)
        table = Table.grid(padding=(0, 1))
        for row in self._board.rows(limit):
            table.add_row(*_cells(row, self._clock()))
        hidden = self._board.hidden(limit)
        more = [Text(f"… and {hidden} more", style="dim")] if hidden else []
        elapsed = self._clock() - self._board.started if self._board.started else 0.0
        head = Text(f"{self._board.play} · {clock_text(elapsed)} · {self._board.finished} tasks done", style="bold")
        return Group(head, table, *more)


def _cells(row: Moving, now: float) -> tuple[RenderableType, ...]:
    bar: RenderableType = ProgressBar(total=row.total, completed=row.done, width=20) if row.total else Text("")
    return Text(row.subject, style="cyan"), bar, Text(row.text), Text(clock_text(now - row.since), style="dim")


def clock_text(seconds: float) -> str:
    """`7s`, `1:05`, `1:02:03`."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole}s"
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"
