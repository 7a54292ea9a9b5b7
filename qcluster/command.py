"""What runs on a host, as values. This file has the only function that quotes for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from qcluster.secret import Secret

KILL_GRACE = 5
"""Seconds between SIGTERM and SIGKILL when a remote command passes its deadline."""


@dataclass(frozen=True)
class Become:
    """Run as another user through sudo, as Ansible's `become`."""

    user: str = "root"
    password: Secret | None = None
    flags: str = "-H -S -n"


@dataclass(frozen=True)
class Command:
    """A program with its arguments: never a string for a shell.

    `timeout` (seconds) is enforced on the host with `timeout -k`, so that nothing is left running.
    `stdin` is delivered whole and closed. `secret` keeps the command out of journals and output.
    """

    argv: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    timeout: float | None = None
    become: Become | None = None
    secret: bool = False

    def __post_init__(self) -> None:
        parts = [*self.argv, *self.env.values()]
        if any(isinstance(part, Secret) or not isinstance(part, str) for part in parts):
            raise TypeError(f"a command takes text only, never a secret: {self.argv[:1]}")

    def with_(self, **changes: object) -> Command:
        return replace(self, **changes)  # type: ignore[arg-type]

    @property
    def line(self) -> str:
        """The command as one line of POSIX sh (without `become`, which the transport adds)."""
        return render(self)

    def __str__(self) -> str:
        return "(secret)" if self.secret else shlex.join(self.argv)


@dataclass(frozen=True)
class Put:
    """A file to write on a host: written beside its place and renamed, so it is whole or absent."""

    path: str
    data: bytes
    mode: int = 0o644
    owner: str = ""
    group: str = ""
    become: Become | None = None
    secret: bool = False


Step = Command | Put
"""One thing an act does on a host."""


def sh(script: str, *args: str, timeout: float | None = None) -> Command:
    """A POSIX sh script with positional arguments; the script travels over stdin, so no length limit holds."""
    return Command(("sh", "-s", "--", *args), stdin=script.encode(), timeout=timeout)


def render(command: Command) -> str:
    """Quote `command` for a POSIX shell: the one place in this project where that happens."""
    words = [f"{name}={shlex.quote(value)}" for name, value in command.env.items()]
    if words:
        words.insert(0, "env")
    if command.timeout is not None:
        words = ["timeout", "-k", str(KILL_GRACE), f"{command.timeout:g}", *words]
    line = " ".join([*words, *(shlex.quote(arg) for arg in command.argv)])
    return f"cd {shlex.quote(command.cwd)} && {line}" if command.cwd else line
