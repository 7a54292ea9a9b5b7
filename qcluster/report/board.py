"""What is going on right now: the state behind the live view. No drawing here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from qcluster.diagnose.milestones import COMPLETE, MILESTONES
from qcluster.events import Event, HostFinished, HostStarted, PlayStarted, Progress, RunStarted, TaskStarted
from qcluster.report.lines import title
from qcluster.report.spans import Spans
from qcluster.report.startups import natural

ORDER = [milestone.id for milestone in MILESTONES]


@dataclass
class Moving:
    """One thing that moves: an instance on its way through its milestones, an image, a check, a running task."""

    subject: str
    host: str
    text: str
    since: float
    changed: float
    done: float = 0.0
    total: float = 0.0
    unit: str = ""
    milestone: str = ""

    @property
    def over(self) -> bool:
        return self.milestone == COMPLETE.id or 0 < self.total <= self.done

    @property
    def part(self) -> float:
        """How far, from 0 to 1; 0 where nobody knows of how much."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass
class Pinned:
    """A failure that stays in sight: its first line, and all hosts that said it."""

    title: str
    line: str
    hosts: list[str]


@dataclass
class Board:
    """Follows the events. Nothing is forgotten but what a play that ended was busy with."""

    verb: str = ""
    hosts: int = 0
    started: float = 0.0
    finished: int = 0
    spans: Spans = field(default_factory=Spans)
    running: dict[tuple[str, str], Moving] = field(default_factory=dict)
    moving: dict[tuple[str, str], Moving] = field(default_factory=dict)
    failures: dict[str, Pinned] = field(default_factory=dict)
    _titles: dict[str, str] = field(default_factory=dict)
    _modules: dict[str, str] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        self.spans.take(event)
        if isinstance(event, RunStarted):
            self.verb, self.hosts, self.started = event.verb, len(event.hosts), event.at
        elif isinstance(event, PlayStarted):
            self.running.clear()
            self.moving.clear()
        elif isinstance(event, TaskStarted):
            self._titles[event.uid], self._modules[event.uid] = title(event), event.module
        elif isinstance(event, HostStarted):
            told = self._titles.get(event.uid, event.task)
            self.running[event.uid, event.host] = Moving(event.host, event.host, told, event.at, event.at)
        elif isinstance(event, HostFinished):
            self._finish(event)
        elif isinstance(event, Progress):
            self._move(event)

    def _finish(self, event: HostFinished) -> None:
        self.running.pop((event.uid, event.host), None)
        self.finished += 1
        if event.result.bad and not event.result.ignored and self._modules.get(event.uid) != "end_run":
            line = (event.result.message.splitlines() or ["(no message)"])[0]
            pinned = self.failures.setdefault(line, Pinned(self._titles.get(event.uid, event.task), line, []))
            if event.host not in pinned.hosts:
                pinned.hosts.append(event.host)

    def _move(self, event: Progress) -> None:
        if event.kind not in ("milestone", "bytes", "count"):
            return
        known = self.moving.get((event.host, event.subject))
        since = known.since if known else event.at
        done, total = extent(event)
        milestone = str(event.data.get("milestone", ""))
        self.moving[event.host, event.subject] = Moving(
            event.subject, event.host, event.text, since, event.at, done, total, event.unit, milestone
        )

    def instances(self) -> list[Moving]:
        """By name, so that a row stays where it is."""
        return sorted((one for one in self.moving.values() if one.milestone), key=lambda one: natural(one.subject))

    def transfers(self) -> list[Moving]:
        """Bytes and counts that have not reached their end."""
        return [one for one in self.moving.values() if not one.milestone and not one.over]


def extent(event: Progress) -> tuple[float, float]:
    """How far, of how much. A start-up is counted in milestones, and between two of them in shards."""
    reached = event.data.get("milestone")
    if reached not in ORDER:
        return event.done, event.total
    between = event.done / event.total if event.total else 0.0
    return ORDER.index(reached) + between, len(ORDER) - 1.0


def gathered(moving: Iterable[Moving]) -> list[Moving]:
    """One row for each subject of many hosts: how far all of them are together, and who is last."""
    groups: dict[str, list[Moving]] = {}
    for one in moving:
        groups.setdefault(one.subject, []).append(one)
    return [own[0] if len(own) == 1 else _together(subject, own) for subject, own in groups.items()]


def _together(subject: str, own: list[Moving]) -> Moving:
    last = min(own, key=lambda one: (one.part, one.done))
    text = f"{len(own)} hosts; last {last.host}: {last.text}"
    since, changed = min(one.since for one in own), max(one.changed for one in own)
    done, total = sum(one.done for one in own), sum(one.total for one in own)
    known = all(one.total for one in own)
    return Moving(subject, "", text, since, changed, done if known else 0.0, total if known else 0.0)


def by_milestone(instances: Iterable[Moving]) -> list[Moving]:
    """One row for each place where starting instances are: how many, and which has been there longest."""
    places: dict[str, list[Moving]] = {}
    for one in instances:
        places.setdefault(one.milestone, []).append(one)
    rows = []
    for milestone in sorted(places, key=ORDER.index):
        own = places[milestone]
        oldest = min(own, key=lambda one: (one.changed, one.done))
        label = MILESTONES[ORDER.index(milestone)].label
        several = len(own) > 1
        text = f"{label}; {oldest.subject} longest" if several and not oldest.over else label
        name = f"{len(own)} instances" if several else oldest.subject
        done, total = sum(one.done for one in own), sum(one.total for one in own)
        rows.append(Moving(name, "", text, oldest.since, oldest.changed, done, total, "", milestone))
    return rows
