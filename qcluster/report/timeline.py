"""Where the time of a run went: bars for a Gantt picture, and the branch that everything else waited for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qcluster.spelling import counted

Plays = Sequence[Mapping[str, Any]]
BAD = ("failed", "unreachable")
SAME = 0.01
"""Seconds within which two tasks count as ended together: less than an operator can see."""
MANY_HOSTS = 32
"""From here on a host's tasks are drawn as one bar a stage: a page with every task would hold thousands."""


@dataclass(frozen=True)
class Bar:
    """One task on one host. Times are seconds since the run began."""

    host: str
    play: str
    stage: str
    task: str
    status: str
    begin: float
    end: float
    critical: bool = False

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True)
class Stage:
    """A role of a play (or the play's own tasks), over all its hosts. `waited` are its seconds on the critical path."""

    play: str
    name: str
    bars: tuple[Bar, ...]

    @property
    def begin(self) -> float:
        return min(bar.begin for bar in self.bars)

    @property
    def end(self) -> float:
        return max(bar.end for bar in self.bars)

    @property
    def critical(self) -> tuple[Bar, ...]:
        return tuple(bar for bar in self.bars if bar.critical)

    @property
    def waited(self) -> float:
        return sum(bar.seconds for bar in self.critical)

    @property
    def failed(self) -> bool:
        return any(bar.status in BAD for bar in self.bars)


def bars(plays: Plays, started: float) -> list[Bar]:
    """Every task of every host; those on the critical path are marked."""
    found: list[Bar] = []
    for play in plays:
        own = list(_of_play(play, started))
        chain = set(map(id, critical_path(own)))
        found += [replace(bar, critical=id(bar) in chain) for bar in own]
    return found


def _of_play(play: Mapping[str, Any], started: float) -> Iterator[Bar]:
    for task in play["tasks"]:
        stage = task["role"] or play["play"]
        for host, result in task["hosts"].items():
            begin, end = result["started"] - started, result["finished"] - started
            status = "ignored" if result["ignored"] or result["rescued"] else result["status"]
            yield Bar(host, play["play"], stage, task["task"], status, begin, max(begin, end))


def critical_path(own: Iterable[Bar]) -> list[Bar]:
    """What the end of a play waited for: the task that ended last, what ended last before it began, and so on back.

    Where several ended together it stays on its host; a `run_once` of another host is what the others waited for.
    """
    ordered = sorted((bar for bar in own if bar.status != "skipped"), key=lambda bar: bar.end)
    ends = [bar.end for bar in ordered]
    path: list[Bar] = []
    limit = len(ordered)
    while limit:
        place = _latest(ordered, ends, limit, path[-1].host if path else "")
        path.append(ordered[place])
        limit = min(place, bisect_right(ends, ordered[place].begin + SAME))
    return path[::-1]


def _latest(ordered: Sequence[Bar], ends: Sequence[float], limit: int, host: str) -> int:
    """The place, before `limit`, of the bar that ended last, or as good as last on `host`."""
    together = range(limit - 1, bisect_left(ends, ends[limit - 1] - SAME, hi=limit) - 1, -1)
    return next((place for place in together if ordered[place].host == host), limit - 1)


def stages(found: Iterable[Bar]) -> list[Stage]:
    """The stages in the order in which they began."""
    grouped: dict[tuple[str, str], list[Bar]] = {}
    for bar in found:
        grouped.setdefault((bar.play, bar.stage), []).append(bar)
    made = [Stage(play, name, tuple(own)) for (play, name), own in grouped.items()]
    done = (stage for stage in made if any(bar.status != "skipped" for bar in stage.bars))
    return sorted(done, key=lambda stage: stage.begin)


def by_host(found: Sequence[Bar], hosts: Iterable[str]) -> dict[str, list[Bar]]:
    """Each host's bars, hosts in the inventory's order. What was skipped takes no time and has no bar."""
    rows: dict[str, list[Bar]] = {host: [] for host in hosts}
    for bar in found:
        if bar.status != "skipped":
            rows.setdefault(bar.host, []).append(bar)
    drawn = {host: own for host, own in rows.items() if own}
    return drawn if len(drawn) <= MANY_HOSTS else {host: list(_joined(own)) for host, own in drawn.items()}


def weight(row: tuple[str, Sequence[Bar]]) -> tuple[int, float, float]:
    """How much a host's row is worth a look: failures first, then the critical path, then who was late."""
    _, own = row
    lost = sum(bar.status in BAD for bar in own)
    return lost, sum(bar.seconds for bar in own if bar.critical), max(bar.end for bar in own)


def _joined(own: Sequence[Bar]) -> Iterator[Bar]:
    """A host's bars, one a stage: its task is the number of tasks, its status the worst."""
    for stage in stages(own):
        worst = next((word for word in (*BAD, "changed") if any(bar.status == word for bar in stage.bars)), "ok")
        told = f"{stage.name}: {counted(len(stage.bars), 'task')}"
        first = stage.bars[0]
        yield Bar(first.host, stage.play, stage.name, told, worst, stage.begin, stage.end, bool(stage.critical))


def slowest(found: Iterable[Bar], count: int = 15) -> list[Bar]:
    """The tasks that took longest, for those who read tables rather than pictures."""
    return sorted(found, key=lambda bar: -bar.seconds)[:count]
