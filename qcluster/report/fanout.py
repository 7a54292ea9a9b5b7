"""Gives every event to every reporter, one at a time, whatever thread it comes from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from qcluster.events import Emit, Event
from qcluster.report.serialise import Mask


def fan_out(reporters: Sequence[Callable[[Event], None]], mask: Mask) -> Emit:
    """One `Emit` for many reporters: events arrive in one order, with secrets masked."""
    lock = threading.Lock()

    def emit(event: Event) -> None:
        clean = mask(event)
        with lock:
            for reporter in reporters:
                reporter(clean)

    return emit
