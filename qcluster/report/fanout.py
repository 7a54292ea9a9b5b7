"""Gives every event to every reporter, one at a time, whatever thread it comes from."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence

from qcluster.errors import Stopped
from qcluster.events import Emit, Event, RunFinished
from qcluster.report.mishaps import GONE, Mishaps
from qcluster.report.serialise import Mask


def fan_out(reporters: Sequence[Callable[[Event], None]], mask: Mask, mishaps: Mishaps) -> Emit:
    """One `Emit` for many reporters: events arrive in one order, with secrets masked.

    A reporter whose pipe or terminal is gone hears nothing more, and the run is stopped (`Stopped`) as by SIGPIPE.
    Whatever else one raises becomes one of `mishaps`: it hears on, and neither the run nor another reporter suffers.
    """
    lock, listening = threading.Lock(), list(reporters)

    def emit(event: Event) -> None:
        clean = mask(event)
        with lock:
            deaf = [reporter for reporter in listening if not _told(reporter, clean, mishaps)]
            for reporter in deaf:
                listening.remove(reporter)
        if deaf and not isinstance(event, RunFinished):
            raise Stopped(signal.SIGPIPE)

    return emit


def _told(reporter: Callable[[Event], None], event: Event, mishaps: Mishaps) -> bool:
    """False where nobody is at the other end any more."""
    with mishaps.of(reporter):
        try:
            reporter(event)
        except OSError as error:
            if error.errno not in GONE:
                raise
            return False
    return True
