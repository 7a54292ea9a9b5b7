"""The counters of the recap, as Ansible counts them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from qcluster.events import HostTally
from qcluster.result import Status, TaskResult


class Tallies:
    """Counters by host."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, host: str, result: TaskResult, times: int = 1) -> None:
        """Count what one task did on one host; an include in a loop counts once for each file it brings."""
        counts = self._counts[host]
        for word in _words(result):
            counts[word] += times

    def recap(self) -> Mapping[str, HostTally]:
        return {host: HostTally(**self._counts[host]) for host in sorted(self._counts)}


def _words(result: TaskResult) -> tuple[str, ...]:
    changed = ("changed",) if result.values.get("changed") else ()
    if result.ignored:
        return ("ok", "ignored", *(changed if result.status is Status.FAILED else ()))
    if result.rescued:
        return ("rescued",)
    return ("ok", "changed") if result.status is Status.CHANGED else (result.status.value,)
