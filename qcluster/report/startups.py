"""How each instance of a run came up: the milestones of its log, with the time that the way to each of them took."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcluster.diagnose.milestones import COMPLETE, HEADLESS_COMPLETE, MILESTONES
from qcluster.report.timings import STARTING

ORDER = {milestone.id: place for place, milestone in enumerate(MILESTONES)}
LABELS = {milestone.id: milestone.label for milestone in MILESTONES}
PHASES = {
    "process": ("args", "engine"),
    "ranks": ("world",),
    "weights": ("load", "weights", "loaded"),
    "graphs": ("kv-cache", "capture", "ready-engine"),
    "serving": ("kv-thread", "routes", "complete"),
}
"""What an engine is busy with on its way to the milestones."""
_PHASE = {id: phase for phase, ids in PHASES.items() for id in ids}
WATCHING = "engine_watch"
"""The one that follows their logs."""


@dataclass(frozen=True)
class Leg:
    """The way to one milestone. Times are seconds since the run began."""

    id: str
    begin: float
    end: float

    @property
    def label(self) -> str:
        return LABELS[self.id]

    @property
    def phase(self) -> str:
        return _PHASE[self.id]

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True)
class Startup:
    """One start of one instance; `why` says how it ended where it failed."""

    instance: str
    host: str
    legs: tuple[Leg, ...]
    why: str = ""

    @property
    def begin(self) -> float:
        return self.legs[0].begin

    @property
    def end(self) -> float:
        return self.legs[-1].end

    @property
    def reached(self) -> str:
        return self.legs[-1].id

    @property
    def after(self) -> dict[str, float]:
        """Milestone → seconds since the start of the instance."""
        return {leg.id: leg.end - self.begin for leg in self.legs}

    @property
    def complete(self) -> bool:
        return not self.why and self.reached in (COMPLETE.id, HEADLESS_COMPLETE)

    @property
    def weight(self) -> tuple[bool, bool, float]:
        """How much it is worth a look: what failed first, then what never came up, then who was slow."""
        return bool(self.why), not self.complete, self.end - self.begin


def startups(
    plays: Sequence[Mapping[str, Any]], progress: Iterable[Mapping[str, Any]], started: float
) -> list[Startup]:
    """The last start of every instance, by name."""
    steps: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for moved in progress:
        milestone = moved["data"].get("milestone") if moved["kind"] == "milestone" else None
        if milestone in ORDER:
            _note(steps.setdefault((moved["subject"], moved["host"]), []), milestone, moved["at"] - started)
    failed = _failures(plays)
    return [
        Startup(name, host, _legs(own, _began(plays, host, started, own[0][1])), failed.get(name, ""))
        for (name, host), own in sorted(steps.items(), key=lambda one: natural(one[0][0]))
    ]


def natural(name: str) -> list[str | int]:
    """What to sort names by, so that `d1-decode-2` stands before `d1-decode-10`."""
    return [int(word) if word.isdigit() else word for word in re.split(r"(\d+)", name)]


def _note(steps: list[tuple[str, float]], milestone: str, at: float) -> None:
    """The first time of each milestone; one that goes back is a new start, and the old one is forgotten."""
    if steps and ORDER[milestone] < ORDER[steps[-1][0]]:
        steps.clear()
    if not steps or steps[-1][0] != milestone:
        steps.append((milestone, at))


def _legs(steps: Sequence[tuple[str, float]], began: float) -> tuple[Leg, ...]:
    ends = [began, *(at for _, at in steps)]
    return tuple(Leg(milestone, ends[place], at) for place, (milestone, at) in enumerate(steps))


def _began(plays: Sequence[Mapping[str, Any]], host: str, started: float, first: float) -> float:
    """When the host was last told to start its engines, before the first milestone was seen; else that milestone."""
    begun = (
        task["hosts"][host]["started"] - started
        for play in plays
        for task in play["tasks"]
        if task["module"] == STARTING and host in task["hosts"] and task["hosts"][host]["status"] != "skipped"
    )
    return max((at for at in begun if at <= first), default=first)


def _failures(plays: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Instance → what became of it, as the start watcher registered it."""
    told: dict[str, str] = {}
    for play in plays:
        for task in play["tasks"]:
            if task["module"] == WATCHING:
                for result in task["hosts"].values():
                    told |= result["values"].get("failed_instances") or {}
    return told
