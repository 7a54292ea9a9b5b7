"""What is going on right now: the state behind the live view. No drawing here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from qcluster.diagnose.milestones import MILESTONES
from qcluster.events import Event, HostFinished, HostStarted, PlayStarted, Progress, TaskStarted
from qcluster.report.lines import title


@dataclass
class Moving:
    """One thing that moves: an instance on its way through its milestones, an image, a running task."""

    subject: str
    text: str
    since: float
    changed: float
    done: float = 0.0
    total: float = 0.0
    unit: str = ""


@dataclass
class Board:
    """Follows the events. `rows()` gives what is worth showing, tasks first."""

    play: str = ""
    started: float = 0.0
    finished: int = 0
    running: dict[tuple[str, str], Moving] = field(default_factory=dict)
    moving: dict[tuple[str, str], Moving] = field(default_factory=dict)
    _titles: dict[str, str] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        if isinstance(event, PlayStarted):
            self.play, self.started = event.play, self.started or event.at
            self.running.clear()
            self.moving.clear()
        elif isinstance(event, TaskStarted):
            self._titles[event.uid] = title(event)
        elif isinstance(event, HostStarted):
            told = self._titles.get(event.uid, event.task)
            self.running[event.uid, event.host] = Moving(event.host, told, event.at, event.at)
        elif isinstance(event, HostFinished):
            self.running.pop((event.uid, event.host), None)
            self.finished += 1
        elif isinstance(event, Progress):
            self._move(event)

    def _move(self, event: Progress) -> None:
        known = self.moving.get((event.host, event.subject))
        since = known.since if known else event.at
        done, total = extent(event)
        moved = Moving(event.subject, event.text, since, event.at, done, total, event.unit)
        self.moving[event.host, event.subject] = moved

    def rows(self, limit: int) -> Iterator[Moving]:
        """The running tasks and the things that have not reached their end, at most `limit`."""
        open_things = [thing for thing in self.moving.values() if not thing.total or thing.done < thing.total]
        yield from [*self.running.values(), *open_things][:limit]

    def hidden(self, limit: int) -> int:
        """How many rows did not fit."""
        open_things = sum(not thing.total or thing.done < thing.total for thing in self.moving.values())
        return max(0, len(self.running) + open_things - limit)


def extent(event: Progress) -> tuple[float, float]:
    """How far, of how much. A start-up is counted in milestones, and between two of them in shards."""
    order = [milestone.id for milestone in MILESTONES]
    reached = event.data.get("milestone")
    if reached not in order:
        return event.done, event.total
    between = event.done / event.total if event.total else 0.0
    return order.index(reached) + between, len(order) - 1.0
