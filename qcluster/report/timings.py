"""How long the stages and milestones of a run took: kept in its journal, and what later runs are measured by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qcluster.events import Event, HostStarted, Progress, TaskStarted
from qcluster.report.spans import Spans

STARTING = "engine_container"
"""The module that starts engines."""
KEPT = 7
"""Earlier runs that count: what was long ago was another network, another image."""


@dataclass
class Timings:
    """Follows a run; `document()` goes into run.json as `timings`. Seconds."""

    spans: Spans = field(default_factory=Spans)
    _starters: set[str] = field(default_factory=set)
    _told: dict[str, float] = field(default_factory=dict)
    _reached: dict[tuple[str, str], float] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        self.spans.take(event)
        if isinstance(event, TaskStarted) and event.module == STARTING:
            self._starters.add(event.uid)
        elif isinstance(event, HostStarted) and event.uid in self._starters:
            self._told[event.host] = event.at
        elif isinstance(event, Progress) and event.kind == "milestone" and event.host in self._told:
            reached = str(event.data.get("milestone", ""))
            self._reached.setdefault((event.subject, reached), event.at - self._told[event.host])

    def document(self) -> dict[str, Any]:
        """Each stage's span over all hosts, and the median over the instances of the way to each milestone."""
        ways: dict[str, list[float]] = {}
        for (_, milestone), seconds in self._reached.items():
            ways.setdefault(milestone, []).append(seconds)
        return {
            "stages": [
                {"play": span.play, "stage": span.name, "seconds": round(span.seconds, 3)}
                for play in self.spans.plays
                for span in self.spans.of(play)
            ],
            "milestones": {milestone: round(_median(seconds), 3) for milestone, seconds in ways.items()},
        }


@dataclass(frozen=True)
class Expected:
    """What a run will take, by the median of `runs` earlier ones. Empty where there was none."""

    runs: int = 0
    total: float = 0.0
    stages: Mapping[tuple[str, str], float] = field(default_factory=dict)
    milestones: Mapping[str, float] = field(default_factory=dict)


def expected(summaries: Iterable[Mapping[str, Any]]) -> Expected:
    """From run.json of earlier runs of the same deployment and verb, newest last: those that ended well count."""
    good = [one for one in summaries if one.get("exit") == 0 and one.get("timings") and not one.get("check")][-KEPT:]
    if not good:
        return Expected()
    stages: dict[tuple[str, str], list[float]] = {}
    milestones: dict[str, list[float]] = {}
    for one in good:
        for stage in one["timings"]["stages"]:
            stages.setdefault((stage["play"], stage["stage"]), []).append(stage["seconds"])
        for milestone, seconds in one["timings"]["milestones"].items():
            milestones.setdefault(milestone, []).append(seconds)
    return Expected(
        runs=len(good),
        total=_median(one["elapsed"] for one in good),
        stages={key: _median(seconds) for key, seconds in stages.items()},
        milestones={key: _median(seconds) for key, seconds in milestones.items()},
    )


def _median(seconds: Iterable[float]) -> float:
    from statistics import median  # brings fractions and random along: paid only where there is a time to judge

    return median(seconds)
