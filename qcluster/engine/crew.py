"""Long-lived worker threads. They take functions and give back values; only the main thread keeps state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from queue import SimpleQueue
from typing import Any

Work = Callable[[], Any]


class Crew:
    """At most `size` pieces of work at the same time. Threads are daemons: Ctrl-C does not wait for a host."""

    def __init__(self, size: int):
        self._size, self._threads = size, 0
        self._todo: SimpleQueue[tuple[Hashable, Work] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Hashable, Any, BaseException | None]] = SimpleQueue()
        self._waiting = 0

    def submit(self, key: Hashable, work: Work) -> None:
        """Begin `work` as soon as a worker is free; `next_done` will name it `key`."""
        self._waiting += 1
        if self._threads < min(self._size, self._waiting):
            self._threads += 1
            threading.Thread(target=self._work, daemon=True, name=f"qcluster-{self._threads}").start()
        self._todo.put((key, work))

    def next_done(self) -> tuple[Any, Any]:
        """The next piece that is finished: (key, value). An error that the work raised is raised here."""
        key, value, error = self._done.get()
        self._waiting -= 1
        if error:
            raise error
        return key, value

    def run(self, jobs: Iterable[tuple[Hashable, Work]]) -> dict[Any, Any]:
        """All of them, to the end: key → value."""
        jobs = list(jobs)
        for key, work in jobs:
            self.submit(key, work)
        return dict(self.next_done() for _ in jobs)

    def dismiss(self) -> None:
        """Let idle workers go. Those that are at work finish alone."""
        for _ in range(self._threads):
            self._todo.put(None)

    def _work(self) -> None:
        while (job := self._todo.get()) is not None:
            key, work = job
            try:
                self._done.put((key, work(), None))
            except BaseException as error:
                self._done.put((key, None, error))
