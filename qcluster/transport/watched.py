"""Tell a listener about every command that a transport ran."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from qcluster.command import Command, Put
from qcluster.events import CommandRan
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput, Transport

OnCommand = Callable[[CommandRan], None]


class Watched:
    """A transport that reports `CommandRan` for each command and file; what is secret shows as `(secret)`."""

    def __init__(self, inner: Transport, tell: OnCommand):
        self._inner, self._tell = inner, tell

    @property
    def inner(self) -> Transport:
        """The same transport, unwatched."""
        return self._inner

    @property
    def host(self) -> str:
        return self._inner.host

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        return self._told(str(command), self._inner.run(command, on_output), _script(command))

    def put(self, put: Put) -> Outcome:
        return self._told(f"put {put.path}", self._inner.put(put))

    def get(self, path: str, become: bool = False) -> bytes:
        started = time.monotonic()
        data = self._inner.get(path, become)
        self._told(f"get {path}", Outcome(Command(("get", path)), 0, elapsed=time.monotonic() - started))
        return data

    def open_tcp(self, address: str, port: int, timeout: float) -> socket.socket:
        return self._inner.open_tcp(address, port, timeout)

    def close(self) -> None:
        self._inner.close()

    def _told(self, line: str, outcome: Outcome, script: str = "") -> Outcome:
        self._tell(CommandRan(time.time(), self.host, line, outcome.exit, outcome.elapsed, script))
        return outcome


def _script(command: Command) -> str:
    """The script that a shell was given on its input, as it was sent."""
    is_script = command.argv[:2] == ("sh", "-s") and not command.secret
    return command.stdin.decode("utf-8", "replace") if is_script else ""
