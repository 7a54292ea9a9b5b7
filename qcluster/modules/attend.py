"""One thread a host that follows its engines and puts what it sees into a queue; nothing else is shared."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from typing import Self

from qcluster.diagnose.starts import News, Target
from qcluster.errors import UnreachableError
from qcluster.facts.follow import Frames, Watched, follow
from qcluster.modules.base import Reach
from qcluster.transport.base import Transport

PATIENCE = 2
"""How often in a row a lost connection is opened again before the host counts as lost."""


class Attendance:
    """Follows all targets until stopped; `take` gives the news so far, `over` is true when no thread runs any more."""

    def __init__(self, targets: Iterable[Target], reach: Reach, seconds: int):
        self._queue: queue.Queue[News] = queue.Queue()
        self._stop = threading.Event()
        rooms: dict[tuple[str, str, str], list[Target]] = {}
        for target in targets:
            rooms.setdefault((target.host, target.container, target.run_dir), []).append(target)
        self._threads = [
            threading.Thread(
                target=_attend, args=(room, reach.fleet[room[0].host], self._queue, self._stop, seconds), daemon=True
            )
            for room in rooms.values()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """No further slice is begun; those that run end by themselves."""
        self._stop.set()

    @property
    def over(self) -> bool:
        return self._queue.empty() and not any(thread.is_alive() for thread in self._threads)

    def take(self, seconds: float) -> list[News]:
        """What happened, waiting at most `seconds` for the first."""
        news: list[News] = []
        try:
            news.append(self._queue.get(timeout=seconds))
            while True:
                news.append(self._queue.get_nowait())
        except queue.Empty:
            return news


def _attend(
    room: list[Target], transport: Transport, out: queue.Queue[News], stop: threading.Event, seconds: int
) -> None:
    offsets = {target.name: 0 for target in room}
    lost = 0
    while not stop.is_set() and lost <= PATIENCE:
        try:
            reason = _slice(room, offsets, transport, out, seconds)
        except UnreachableError as error:
            lost += 1
            out.put(News("lost" if lost > PATIENCE else "retry", host=room[0].host, text=str(error)))
            stop.wait(2.0)
            continue
        lost = 0
        if reason in ("done", "dead"):
            return
        if not reason:
            out.put(News("lost", host=room[0].host, text="the following command ended without a word"))
            return


def _slice(
    room: list[Target], offsets: dict[str, int], transport: Transport, out: queue.Queue[News], seconds: int
) -> str:
    ended = ""

    def on_frame(kind: str, words: tuple[str, ...], data: bytes) -> None:
        nonlocal ended
        if kind == "end":
            ended = words[0] if words else ""
            return
        if kind == "log":
            offsets[words[0]] = int(words[1]) + int(words[2])
        out.put(News(kind, words[0] if words else "", room[0].host, words[1:], data.decode("utf-8", "replace")))

    first = room[0]
    watched = [Watched(one.name, one.log, offsets[one.name], one.done_pattern) for one in room]
    transport.run(follow(first.container, first.run_dir, watched, seconds), on_output=Frames(on_frame))
    return ended
