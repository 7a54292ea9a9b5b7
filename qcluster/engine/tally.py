"""The counters of the recap, as Ansible counts them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from qcluster.events import HostTally
from qcluster.result import Status, TaskResult


class Tallies:
    """Counters by host; the recap tells `hosts` in this order, others after them."""

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._order = {host: number for number, host in enumerate(hosts)}
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, host: str, result: TaskResult, times: int = 1) -> None:
        """Count what one task did on one host; an include in a loop counts once for each file it brings."""
        counts = self._counts[host]
        for word in _words(result):
            counts[word] += times

    def recap(self) -> Mapping[str, HostTally]:
        return {host: HostTally(**self._counts[host]) for host in self._sorted()}

    def _sorted(self) -> list[str]:
        return sorted(self._counts, key=lambda host: (self._order.get(host, len(self._order)), host))


def _words(result: TaskResult) -> tuple[str, ...]:
    changed = ("changed",) if result.values.get("changed") else ()
    if result.ignored:
        return ("ok", "ignored", *(changed if result.status is Status.FAILED else ()))
    if result.rescued:
        return ("rescued",)
    return ("ok", "changed") if result.status is Status.CHANGED else (result.status.value,)
