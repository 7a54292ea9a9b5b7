"""Where the time of a run went: bars for a Gantt picture, and the branch that everything else waited for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Plays = Sequence[Mapping[str, Any]]


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


def bars(plays: Plays, started: float) -> list[Bar]:
    """Every task of every host; those on the critical path are marked."""
    found: list[Bar] = []
    for play in plays:
        own = list(_of_play(play, started))
        slowest = last_host(own)
        found += [_marked(bar, bar.host == slowest) for bar in own]
    return found


def _of_play(play: Mapping[str, Any], started: float) -> Iterator[Bar]:
    for task in play["tasks"]:
        stage = task["role"] or play["play"]
        for host, result in task["hosts"].items():
            begin, end = result["started"] - started, result["finished"] - started
            yield Bar(host, play["play"], stage, task["task"], result["status"], begin, max(begin, end))


def last_host(own: Iterable[Bar]) -> str:
    """The host that finished a play last: the others waited for it."""
    return max(own, key=lambda bar: bar.end, default=Bar("", "", "", "", "", 0, 0)).host


def _marked(bar: Bar, critical: bool) -> Bar:
    return Bar(bar.host, bar.play, bar.stage, bar.task, bar.status, bar.begin, bar.end, critical)


def stages(found: Iterable[Bar]) -> dict[str, float]:
    """Seconds of the critical path by stage (role), longest first."""
    spent: dict[str, float] = {}
    for bar in found:
        if bar.critical:
            spent[bar.stage] = spent.get(bar.stage, 0.0) + bar.seconds
    return dict(sorted(spent.items(), key=lambda entry: -entry[1]))


@dataclass(frozen=True)
class Step:
    """One milestone of one instance: when it was reached, in seconds since the run began."""

    text: str
    at: float
    done: float
    total: float


def milestones(progress: Iterable[Mapping[str, Any]], started: float) -> dict[str, list[Step]]:
    """The start-up of each instance, in the order reached."""
    steps: dict[str, list[Step]] = {}
    for moved in progress:
        if moved["kind"] == "milestone":
            step = Step(moved["text"], moved["at"] - started, moved["done"], moved["total"])
            steps.setdefault(moved["subject"], []).append(step)
    return steps
