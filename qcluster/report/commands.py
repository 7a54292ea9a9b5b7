"""The remote commands of a run, each with the task that it was run for and what its exit code meant there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from qcluster.events import CommandRan, Event, HostFinished, HostStarted, TaskStarted
from qcluster.inventory import folding
from qcluster.report.lines import title

Place = tuple[str, str]
"""A task's uid, and the host that did it."""


@dataclass(frozen=True)
class Ran:
    """One command. `failed`: its exit code is not 0, and its task failed; else the code was an answer."""

    event: CommandRan
    task: str
    failed: bool


@dataclass
class Commands:
    """Follows a run. Whether a task ended well is known only when it is over, so rows are made when asked for."""

    scripts: dict[str, int] = field(default_factory=dict)
    """Text → number: hosts get the same few scripts, so each is printed once."""
    _ran: dict[str, list[tuple[CommandRan, Place]]] = field(default_factory=dict)
    _titles: dict[str, str] = field(default_factory=dict)
    _running: dict[str, str] = field(default_factory=dict)
    _lost: set[Place] = field(default_factory=set)
    _script_tasks: dict[str, str] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        if isinstance(event, TaskStarted):
            self._titles[event.uid] = title(event)
        elif isinstance(event, HostStarted):
            self._running[event.host] = event.uid
        elif isinstance(event, HostFinished):
            self._running.pop(event.host, None)
            if event.result.bad:
                self._lost.add((event.uid, event.host))
        elif isinstance(event, CommandRan):
            self._note(event)

    def _note(self, event: CommandRan) -> None:
        place = self._place(event.host)
        self._ran.setdefault(event.host, []).append((event, place))
        if event.script:
            self.scripts.setdefault(event.script, len(self.scripts) + 1)
            self._script_tasks.setdefault(event.script, self._title(place))

    def _place(self, host: str) -> Place:
        """The task that the host does; where it does none, the only one that runs anywhere: it asks all hosts."""
        if host not in self._running and len(self._running) == 1:
            (host,) = self._running
        return self._running.get(host, ""), host

    def _title(self, place: Place) -> str:
        return self._titles.get(place[0], "")

    def by_host(self) -> Mapping[str, list[Ran]]:
        return {host: [self._row(event, place) for event, place in own] for host, own in self._ran.items()}

    def _row(self, event: CommandRan, place: Place) -> Ran:
        return Ran(event, self._title(place), bool(event.exit) and place in self._lost)

    def unfinished(self) -> dict[str, str]:
        """Tasks that were begun and have not ended, and on which hosts: what a killed run was at."""
        hosts: dict[str, list[str]] = {}
        for host, uid in self._running.items():
            hosts.setdefault(self._titles.get(uid, ""), []).append(host)
        return {task: folding.told(names) for task, names in hosts.items()}

    def numbered(self) -> Iterator[tuple[int, str, str]]:
        """Each script: its number, the task that first used it, its text."""
        for text, number in self.scripts.items():
            yield number, self._script_tasks[text], text
