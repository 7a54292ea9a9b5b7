"""Every error that qcluster raises on purpose, and the exit code each one means.

    QclusterError
    ├── InputError            2   a file or an option is wrong; nothing was touched
    ├── UnreachableError      3   no usable connection to a host
    │   ├── NameResolutionError
    │   ├── ConnectionRefused
    │   ├── ConnectTimeout
    │   ├── HostKeyUnknown
    │   ├── HostKeyChanged
    │   ├── AuthenticationFailed
    │   ├── BecomeFailed
    │   └── ConnectionDropped      the command may have run
    ├── TaskFailed            1   a task failed on a host
    │   └── UnreadableOutput  1   a tool answered something that no parser understands
    ├── NotServing            4   the cluster runs but does not serve correctly
    └── Interrupted         130   the operator pressed Ctrl-C; engines go on (a signal: 128 + its number)

Where several happen in one run, 2 > 3 > 1 > 4 (`worst_exit`).
"""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass

EXIT_OK = 0
_PRECEDENCE = (130, 2, 3, 1, 4, 0)


class QclusterError(Exception):
    """Base of all errors that are reported without a traceback."""

    exit_code = 1


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in an input: where it is, what is wrong, and what to do next.

    A second line of `hint` is a command: it is told on a line of its own, to be copied.
    """

    file: str
    line: int
    path: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = [part for part in (place, self.path, self.what) if part]
        words, _, command = self.hint.partition("\n")
        next_step = f"; {words}:\n  {command}" if command else f" ({words})" if words else ""
        return ": ".join(parts) + next_step


class InputError(QclusterError):
    """Bad input. Carries every problem found, not just the first."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem] | str):
        found = (Problem("", 0, "", problems),) if isinstance(problems, str) else tuple(problems)
        self.problems: tuple[Problem, ...] = found
        super().__init__("\n".join(str(problem) for problem in found))


class UnreachableError(QclusterError):
    """There is no usable connection to a host."""

    exit_code = 3

    def __init__(self, host: str, what: str, hint: str = ""):
        self.host, self.what, self.hint = host, what, hint
        super().__init__(f"{host}: {what}" + (f" ({hint})" if hint else ""))


class NameResolutionError(UnreachableError):
    """The host's name has no address."""


class ConnectionRefused(UnreachableError):
    """Nothing listens on the SSH port, or a firewall answered for it."""


class ConnectTimeout(UnreachableError):
    """No answer within the connect timeout."""


class HostKeyUnknown(UnreachableError):
    """The host's key is in no known_hosts file; the hint says how to trust it."""


class HostKeyChanged(UnreachableError):
    """The host shows another key than the known one. Never accepted automatically."""


class AuthenticationFailed(UnreachableError):
    """No offered key or password was accepted."""


class BecomeFailed(UnreachableError):
    """Privileges could not be raised (no sudo, wrong password, password needed)."""


class ConnectionDropped(UnreachableError):
    """The connection was lost while a command ran: it may or may not have taken effect."""


class TaskFailed(QclusterError):
    """A task failed on a host."""


class UnreadableOutput(TaskFailed):
    """A tool's output fits no known format. `output` holds it, verbatim."""

    def __init__(self, what: str, output: str):
        self.output = output
        super().__init__(f"{what}: {output[:400]!r}")


class NotServing(QclusterError):
    """Everything started, but the service does not answer correctly."""

    exit_code = 4


class Interrupted(QclusterError):
    """The operator interrupted the run; what runs on the hosts was left running."""

    exit_code = 130


class Stopped(KeyboardInterrupt):
    """As Ctrl-C, but by a signal: SIGTERM, SIGHUP, or SIGPIPE where nobody reads the output any more (issue 3)."""

    def __init__(self, number: int):
        super().__init__(number)
        self.exit_code = 128 + number


UNREAD = 128 + signal.SIGPIPE
"""A run was stopped because nobody reads its output: there is nobody to say more to."""


def was_interrupted(code: int) -> bool:
    """Whether an exit code says that the run was ended from outside: Ctrl-C or a signal."""
    return code > 128


def worst_exit(codes: Iterable[int]) -> int:
    """The exit code of a run in which all of `codes` happened."""
    present = set(codes)
    return next((code for code in _PRECEDENCE if code in present), EXIT_OK)
