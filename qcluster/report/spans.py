"""The stages of a run as they happen: which began when, on how many hosts, and what everything waited for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from qcluster.events import Event, HostFinished, HostStarted, PlayStarted, TaskStarted
from qcluster.report.timeline import BAD, Bar, critical_path
from qcluster.result import Status

WORTH = 0.1
"""The part of all waiting from which on a stage is worth a mark."""


@dataclass
class Span:
    """A role of a play (or the play's own tasks), from its first host's beginning to its last one's end."""

    play: str
    name: str
    begin: float
    end: float = 0.0
    running: int = 0
    failed: bool = False
    worked: bool = False
    """Whether anything in it was not skipped."""

    @property
    def seconds(self) -> float:
        return max(0.0, self.end - self.begin)


@dataclass
class Spans:
    """Follows the events of a run. `now` is the play that runs, `plays` all of them in order."""

    plays: list[str] = field(default_factory=list)
    hosts: int = 0
    """Hosts of the present play that have not failed: who could be waiting."""
    found: dict[tuple[str, str], Span] = field(default_factory=dict)
    _stages: dict[str, str] = field(default_factory=dict)
    _begun: dict[tuple[str, str], float] = field(default_factory=dict)
    _bars: list[Bar] = field(default_factory=list)
    _waited: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Seconds of the critical path of the plays that are over, by play and stage."""

    @property
    def now(self) -> str:
        return self.plays[-1] if self.plays else ""

    def take(self, event: Event) -> None:
        if isinstance(event, PlayStarted):
            self._waited += self._path()
            self._bars.clear()
            self.hosts = len(event.hosts)
            if event.play not in self.plays:
                self.plays.append(event.play)
        elif isinstance(event, TaskStarted):
            self._stages[event.uid] = event.role or event.play
        elif isinstance(event, HostStarted):
            self._begun[event.uid, event.host] = event.at
            self._span(event).running += 1
        elif isinstance(event, HostFinished):
            self._finish(event)

    def _span(self, event: HostStarted | HostFinished) -> Span:
        name = self._stages.get(event.uid, event.play)
        return self.found.setdefault((event.play, name), Span(event.play, name, event.at))

    def _finish(self, event: HostFinished) -> None:
        span, status = self._span(event), str(event.result.status)
        begun = self._begun.pop((event.uid, event.host), None)
        span.running -= begun is not None
        if event.result.status is Status.SKIPPED:
            return
        span.worked, span.end = True, event.at
        lost = status in BAD and not (event.result.ignored or event.result.rescued)
        span.failed |= lost
        self.hosts -= lost
        begin = event.at - event.result.elapsed if begun is None else begun
        self._bars.append(Bar(event.host, event.play, span.name, event.task, status, begin, event.at))

    def of(self, play: str) -> list[Span]:
        """The stages of a play that do or did something, in the order in which they began."""
        return [span for span in self.found.values() if span.play == play and (span.worked or span.running)]

    def _path(self) -> Counter[tuple[str, str]]:
        seconds: Counter[tuple[str, str]] = Counter()
        for bar in critical_path(self._bars):
            seconds[bar.play, bar.stage] += bar.seconds  # type: ignore[assignment]  # a Counter of floats
        return seconds

    def critical(self, now: float) -> set[tuple[str, str]]:
        """Play and stage of what the run waited for, where it is a tenth of all waiting or more.

        Of what runs at `now` it is the stage that began first.
        """
        seconds = self._waited + self._path()
        running = [span for span in self.of(self.now) if span.running]
        oldest = min(running, key=lambda span: span.begin, default=None)
        if oldest:
            seconds[oldest.play, oldest.name] += now - oldest.begin  # type: ignore[assignment]
        enough = sum(seconds.values()) * WORTH
        return {place for place, waited in seconds.items() if waited >= enough > 0}
