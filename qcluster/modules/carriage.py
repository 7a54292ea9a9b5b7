"""Bytes that arrive, as progress: how many, of how many, how fast, how much longer."""

from __future__ import annotations

import re
from collections import deque

from qcluster.modules.base import Reach
from qcluster.modules.streams import progress

WINDOW = 30.0
"""Seconds over which the rate is taken."""

FAR = 100 * 3600
"""Seconds from which a guess at what is left says nothing."""

SAID = ("waiting", "taking over", "hashing", "already", "changed", "trying ", "got ", "Error", "saving")
"""What a job says that the operator should read."""


class Carriage:
    """Follows the lines of a job: `bytes DONE [TOTAL]`, and sentences. `about` is a total that is only expected."""

    def __init__(self, reach: Reach, subject: str, about: int = 0):
        self._reach, self._subject, self._about = reach, subject, about
        self._past: deque[tuple[float, int]] = deque()

    def on_line(self, line: str) -> None:
        match = re.fullmatch(r"bytes (\d+) ?(\d*)", line.strip())
        if match:
            self._moved(int(match[1]), int(match[2] or 0))
        elif line.startswith(SAID):
            progress(self._reach, self._subject, line.strip()[:200])

    def _moved(self, done: int, total: int) -> None:
        expected = total or self._about
        speed = self._speed(done)
        text = told(min(done, expected) if expected else done, expected, speed, bool(total))
        numbers = {"done": float(min(done, expected or done)), "total": float(expected), "unit": "bytes"}
        progress(self._reach, self._subject, text, kind="bytes", **numbers)

    def _speed(self, done: int) -> float:
        """Bytes a second, of late."""
        now = self._reach.clock()
        self._past.append((now, done))
        while now - self._past[0][0] > WINDOW:
            self._past.popleft()
        then, before = self._past[0]
        return (done - before) / (now - then) if now - then >= 1.0 else 0.0


def told(done: int, total: int, speed: float, exact: bool) -> str:
    """`12.3 of 30 GB, 210 MB/s, 1:24 left`."""
    parts = [f"{size(done)} of {'' if exact else 'about '}{size(total)}" if total else size(done)]
    if speed > 0:
        parts.append(f"{size(speed)}/s")
        left = int((total - done) / speed)
        if 0 < left < FAR:
            parts.append(f"{clock(left)} left")
    return ", ".join(parts)


def clock(seconds: int) -> str:
    """`0:07`, `1:24`, `2:05:00`."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def size(count: float) -> str:
    """`30 GB`, `1.5 MB`: powers of ten, as disks and networks are sold."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}" if count < 1000 * scale else f"{count / scale:.0f} {unit}"
    return f"{count:.0f} B"
