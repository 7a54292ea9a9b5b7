"""What happens in a run, as it happens. The engine emits these; reports and the journal listen.

Times are seconds since the epoch. Events are small, frozen and serialisable with `dataclasses.asdict`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qcluster.result import TaskResult


@dataclass(frozen=True)
class Event:
    at: float


@dataclass(frozen=True)
class RunStarted(Event):
    verb: str
    target: str
    inventory: str
    hosts: tuple[str, ...]
    check: bool = False


@dataclass(frozen=True)
class PlayStarted(Event):
    play: str
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class TaskStarted(Event):
    """Emitted once a task (not once a host) under `linear`, when its first host begins."""

    play: str
    task: str
    uid: str
    where: str
    module: str
    role: str = ""
    handler: bool = False


@dataclass(frozen=True)
class HostStarted(Event):
    """One host begins one task."""

    play: str
    task: str
    uid: str
    host: str


@dataclass(frozen=True)
class ItemFinished(Event):
    """One item of a loop is done on one host."""

    play: str
    task: str
    uid: str
    host: str
    label: str
    result: TaskResult


@dataclass(frozen=True)
class HostFinished(Event):
    """One task is done on one host."""

    play: str
    task: str
    uid: str
    host: str
    result: TaskResult


@dataclass(frozen=True)
class HostRetrying(Event):
    """An `until` is not yet true: attempt `attempt` of `retries` is over."""

    play: str
    task: str
    uid: str
    host: str
    attempt: int
    retries: int
    result: TaskResult


@dataclass(frozen=True)
class Progress(Event):
    """Something inside a long task moved: an instance reached a milestone, bytes arrived, probes passed.

    `subject` is the thing that moves (an instance's name, `image`, `weights`, a host). `kind` is one of
    `milestone`, `bytes`, `count`, `note`, `finding`. `done` and `total` are in `unit`; total 0 is unknown.
    """

    host: str
    subject: str
    kind: str
    text: str
    done: float = 0.0
    total: float = 0.0
    unit: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CommandRan(Event):
    """A remote command is over; secrets are already masked. For the journal.

    `script` is what `sh -s` read from its input; other input is a file's content and is left out.
    """

    host: str
    line: str
    exit: int
    elapsed: float
    script: str = ""


@dataclass(frozen=True)
class OperatorAsked(Event):
    """A task waits for somebody at the terminal: reports write nothing there until `OperatorAnswered`."""

    question: str


@dataclass(frozen=True)
class OperatorAnswered(Event):
    """The answer was typed, or the question given up. What was typed is the task's own result."""


@dataclass(frozen=True)
class PlayFinished(Event):
    play: str


@dataclass(frozen=True)
class HostTally:
    """The counters of one host's recap line, as Ansible counts them."""

    ok: int = 0
    changed: int = 0
    unreachable: int = 0
    failed: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0


@dataclass(frozen=True)
class RunFinished(Event):
    exit: int
    recap: Mapping[str, HostTally]
    elapsed: float


Emit = Callable[[Event], None]
"""Where events go. Callable from any thread."""
