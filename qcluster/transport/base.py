"""What every way to reach a host can do. The contract is tested against a real OpenSSH server (tests/contract)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from qcluster.command import Command, Put
from qcluster.result import Outcome

OnOutput = Callable[[str, bytes], None]
"""Called with ("stdout" | "stderr", chunk) while a command runs."""


class Transport(Protocol):
    """A connection to one host, opened on first use and reopened when it was lost between commands.

    Errors: `UnreachableError` and its kinds. A non-zero exit is an `Outcome`, never an exception.
    Safe to use from several threads.
    """

    @property
    def host(self) -> str:
        """The inventory name."""
        ...

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        """Run to the end. Never replays a command that may have run."""
        ...

    def put(self, put: Put) -> Outcome:
        """Write a file atomically with its mode and owner."""
        ...

    def get(self, path: str, become: bool = False) -> bytes:
        """Read a whole file. Raises `FileNotFoundError` or `PermissionError` by name of the path."""
        ...

    def open_tcp(self, address: str, port: int, timeout: float) -> socket.socket:
        """A stream from the host to `address:port` (as seen from the host). Raises `ConnectionError`/`TimeoutError`."""
        ...

    def close(self) -> None: ...
