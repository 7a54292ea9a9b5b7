"""What goes wrong in reporting a run. It is told when the run is over; it never ends one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OWN = Path(__file__).parents[1]
GONE = (errno.EPIPE, errno.EIO)
"""What a write says where nobody is at the other end any more: the run is to stop, and that is no mishap."""


class Mishaps:
    """The first error of each reporter, by its kind; a run has one of a kind. Any thread may note one."""

    def __init__(self) -> None:
        self._first: dict[str, Exception] = {}

    def note(self, reporter: object, error: Exception) -> None:
        self._first.setdefault(type(reporter).__name__, error)

    @contextmanager
    def of(self, reporter: object) -> Iterator[None]:
        """Whatever this reporter raises within is noted."""
        try:
            yield
        except Exception as error:
            self.note(reporter, error)

    def lines(self) -> Iterator[str]:
        """For the end of the run: which report is not whole, why and where, and what to do."""
        for name, error in self._first.items():
            yield f"{name}: this report is not whole ({type(error).__name__}: {error}; {_where(error)})"
            yield f"  the run itself went on and its exit code holds; {_remedy(error)}"


def _remedy(error: Exception) -> str:
    if isinstance(error, OSError):
        return "see that there is room and permission to write, then `qcluster status` says what runs"
    return "a mistake in qcluster: please report these two lines; `qcluster runs last` tells what the journal kept"


def _where(error: Exception) -> str:
    """The innermost place in this program that an error came through: `file:line`."""
    at, place = error.__traceback__, "unknown place"
    while at:
        path = Path(at.tb_frame.f_code.co_filename)
        if path.is_relative_to(_OWN):
            place = f"{path.relative_to(_OWN.parent)}:{at.tb_lineno}"
        at = at.tb_next
    return place
