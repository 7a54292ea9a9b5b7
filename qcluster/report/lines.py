"""Events as lines of text: what a log file, a pipe or CI gets, and what scrolls above the live view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from qcluster.events import (
    CommandRan,
    Event,
    HostFinished,
    HostRetrying,
    ItemFinished,
    OperatorAnswered,
    OperatorAsked,
    PlayFinished,
    PlayStarted,
    Progress,
    RunFinished,
    TaskStarted,
)
from qcluster.report.evidence import evidence, shown
from qcluster.report.recap import recap, shared
from qcluster.result import Diff, Status, TaskResult

COLOURS = {"ok": "32", "changed": "33", "skipped": "36", "failed": "31;1", "unreachable": "31;1", "ignored": "35"}
VALIDATE = "validate_argument_spec"
"""The module of tasks that nobody wrote: a role's arguments are checked before its own tasks."""
SLOW = 1.0
"""Seconds from which a task's duration is worth a reader's eye."""


@dataclass(frozen=True)
class Style:
    """How much is shown: `verbosity` as `-v`, `quiet` only failures, `everything` also what was ok (as Ansible)."""

    verbosity: int = 0
    quiet: bool = False
    everything: bool = True
    colour: bool = False

    def paint(self, text: str, kind: str) -> str:
        code = COLOURS.get(kind)
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text


class Lines:
    """Turns one event after another into lines. While the operator is asked something they are held back.

    A play's heading waits for the play's first line: of a play in which nothing happened nothing is told.
    """

    def __init__(self, style: Style):
        self.style = style
        self._titles: dict[str, str] = {}
        self._modules: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._items: set[tuple[str, str]] = set()
        self._reached: dict[tuple[str, str], str] = {}
        self._held: list[str] | None = None
        self._heading: list[str] = []

    def of(self, event: Event) -> list[str]:
        handler = getattr(self, f"_of_{type(event).__name__}", None)
        lines = self._headed(list(handler(event)) if handler else [])
        if isinstance(event, OperatorAsked):
            self._held = []
        elif isinstance(event, OperatorAnswered | RunFinished):
            lines, self._held = [*(self._held or []), *lines], None
        elif self._held is not None:
            self._held += lines
            return []
        return lines

    def _headed(self, lines: list[str]) -> list[str]:
        if not lines:
            return []
        heading, self._heading = self._heading, []
        return [*heading, *lines]

    def _of_PlayStarted(self, event: PlayStarted) -> Iterator[str]:
        if not self.style.quiet:
            self._heading = ["", f"PLAY {event.play}  ({_count(len(event.hosts), 'host')})"]
        yield from ()

    def _of_PlayFinished(self, event: PlayFinished) -> Iterator[str]:
        self._heading = []
        yield from ()

    def _of_TaskStarted(self, event: TaskStarted) -> Iterator[str]:
        self._titles[event.uid], self._modules[event.uid] = title(event), event.module
        yield from ()

    def _of_HostFinished(self, event: HostFinished) -> Iterator[str]:
        title = self._titles.get(event.uid, event.task)
        if self._worth(event.result) and not self._repeats(event) and not self._goes_without_saying(event):
            yield self._row(event.result, event.host, title)
            if not (event.result.bad and (event.uid, event.host) in self._items):  # its bad items have said why
                yield from self._details(event)

    def _of_ItemFinished(self, event: ItemFinished) -> Iterator[str]:
        if event.result.bad:
            self._items.add((event.uid, event.host))
        told = self.style.everything and self._modules.get(event.uid) == "debug"
        if self.style.verbosity >= 1 or event.result.bad or told:
            yield self._row(event.result, event.host, f"  item {event.label}")
            yield from self._details(event)

    def _of_HostRetrying(self, event: HostRetrying) -> Iterator[str]:
        if self.style.verbosity >= 1:
            yield f"  {'retrying':<11} {event.host:<12} {event.task} ({event.attempt} of {event.retries})"

    def _of_Progress(self, event: Progress) -> Iterator[str]:
        passing = event.kind in ("bytes", "count") and (event.done < event.total or not event.total)
        if not self.style.quiet and not passing and not self._still_there(event):
            subject = "" if event.subject == event.host else f"{event.subject}: "
            yield f"  {'…':<11} {event.host:<12} {subject}{event.text}"

    def _of_CommandRan(self, event: CommandRan) -> Iterator[str]:
        if self.style.verbosity >= 3:
            yield f"  {'$':<11} {event.host:<12} [{event.exit}, {event.elapsed * 1000:.0f} ms] {event.line}"

    def _of_RunFinished(self, event: RunFinished) -> Iterator[str]:
        self._heading = []
        yield ""
        everybody = self.style.everything  # as Ansible does, for `run` and `exec`
        for hosts, counters, kind in recap(event.recap if everybody else shared(event.recap)):
            yield f"{self.style.paint(hosts, kind)} : {counters}"

    def _still_there(self, event: Progress) -> bool:
        """Whether an instance only counts on within the milestone that was told: shards would fill a log."""
        reached = str(event.data.get("milestone", ""))
        before = self._reached.get((event.host, event.subject), "")
        self._reached[event.host, event.subject] = reached
        return bool(reached) and before == reached

    def _repeats(self, event: HostFinished) -> bool:
        """Whether a rescue ends the run (`end_run`) with words that some host's failure began with, and no others."""
        message = event.result.message
        if not (event.result.bad and message):
            return False
        if self._modules.get(event.uid) == "end_run":
            return any(before.startswith(message) for before in self._told.values())
        self._told[event.host] = message
        return False

    def _goes_without_saying(self, event: HostFinished) -> bool:
        """That a role's arguments fit; where they do not it is told."""
        checked = self._modules.get(event.uid) == VALIDATE
        return checked and not event.result.bad and not self.style.everything

    def _worth(self, result: TaskResult) -> bool:
        if result.bad:
            return True
        if self.style.quiet:
            return False
        return self.style.everything or self.style.verbosity > 0 or result.status is Status.CHANGED

    def _row(self, result: TaskResult, host: str, title: str) -> str:
        word = "ignored" if result.ignored and result.bad else str(result.status)
        took = f"  {result.elapsed:.1f} s" if result.elapsed >= SLOW else ""
        return f"  {self.style.paint(f'{word:<11}', word)} {host:<12} {title}{took}"

    def _details(self, event: HostFinished | ItemFinished) -> Iterator[str]:
        result = event.result
        if result.no_log:
            return
        if result.bad:
            yield from _indent(evidence(result))
        elif self.style.everything:
            yield from _indent(shown(result, debug=self._modules.get(event.uid) == "debug"))
        for diff in result.diffs:
            yield from _indent(unified(diff))
        if self.style.verbosity >= 2:
            yield from _indent([f"{key}: {value}" for key, value in result.values.items()])


def title(event: TaskStarted) -> str:
    return named(event.role, event.task)


def named(role: str, task: str) -> str:
    """`role : task`, as Ansible names it."""
    prefix = f"{role} : "
    return task if not role or task.startswith(prefix) else prefix + task


def unified(diff: Diff) -> list[str]:
    """A unified diff, three lines of context."""
    import difflib

    before, after = diff.before.splitlines(), diff.after.splitlines()
    name = diff.path or "value"
    return list(difflib.unified_diff(before, after, f"before: {name}", f"after: {name}", lineterm=""))


def _indent(lines: Iterable[Any]) -> Iterator[str]:
    yield from (f"{'':<26}{line}" for line in lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
