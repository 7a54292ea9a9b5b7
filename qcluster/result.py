"""What came of a command on a host, and what came of a task. Plain values, safe to pass between threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from qcluster.command import Command

TIMEOUT_EXITS = (124, 137)
"""What coreutils `timeout` exits with: 124 after SIGTERM, 137 after SIGKILL."""


@dataclass(frozen=True)
class Outcome:
    """A finished command: success and failure have the same fields.

    `exit` is -1 when there was no exit status: killed by a signal (`signal` names it) or the connection was lost.
    `elapsed` is in seconds.
    """

    command: Command
    exit: int
    stdout: bytes = b""
    stderr: bytes = b""
    signal: str = ""
    elapsed: float = 0.0

    @property
    def ok(self) -> bool:
        return self.exit == 0

    @property
    def timed_out(self) -> bool:
        return self.command.timeout is not None and self.exit in TIMEOUT_EXITS

    @property
    def out(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    @property
    def err(self) -> str:
        return self.stderr.decode("utf-8", "replace")


class Status(StrEnum):
    """What a task did to one host, in Ansible's words."""

    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Diff:
    """Before and after of something a task changes, for `--diff`."""

    before: str
    after: str
    path: str = ""


@dataclass(frozen=True)
class TaskResult:
    """What one task did on one host. `values` is what `register` stores, in Ansible's form."""

    host: str
    status: Status
    values: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    ignored: bool = False
    rescued: bool = False
    diffs: tuple[Diff, ...] = ()
    elapsed: float = 0.0
    no_log: bool = False

    @property
    def bad(self) -> bool:
        return self.status in (Status.FAILED, Status.UNREACHABLE)
