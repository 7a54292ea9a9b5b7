"""Gives every event to every reporter, one at a time, whatever thread it comes from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from qcluster.events import Emit, Event
from qcluster.report.serialise import masker


def fan_out(reporters: Sequence[Callable[[Event], None]], secrets: Iterable[str] = ()) -> Emit:
    """One `Emit` for many reporters: events arrive in one order, with `secrets` masked."""
    lock = threading.Lock()
    mask: Callable[[Any], Any] = masker(secrets)

    def emit(event: Event) -> None:
        clean = mask(event)
        with lock:
            for reporter in reporters:
                reporter(clean)

    return emit
