"""The human reporter: plain lines anywhere, and a live board below them on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Protocol

from qcluster.events import Event
from qcluster.report.lines import Lines, Style

if TYPE_CHECKING:
    from qcluster.report.timings import Expected


class Reporter(Protocol):
    def __call__(self, event: Event) -> None: ...
    def close(self) -> None: ...


class PlainReporter:
    """One line after the other; nothing is ever overwritten."""

    def __init__(self, stream: IO[str], style: Style):
        self._stream, self._lines = stream, Lines(style)

    def __call__(self, event: Event) -> None:
        for line in self._lines.of(event):
            self._stream.write(line + "\n")
        self._stream.flush()

    def close(self) -> None:
        self._stream.flush()


def is_live(stream: IO[str], environ: Mapping[str, str]) -> bool:
    """Whether a board may be drawn: a real terminal, and neither CI nor NO_COLOR asks for plain text."""
    plain = environ.get("CI") or environ.get("NO_COLOR") or environ.get("TERM", "") in ("", "dumb")
    return stream.isatty() and not plain


def human(
    stream: IO[str], environ: Mapping[str, str], style: Style, expect: Callable[[], Expected] | None = None
) -> Reporter:
    """The reporter that fits the stream. `expect` is asked only where a board shows what it says."""
    if style.quiet or not is_live(stream, environ):
        return PlainReporter(stream, style)
    from qcluster.report.live import LiveReporter

    return LiveReporter(stream, style, expect() if expect else None)
