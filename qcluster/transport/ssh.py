"""A host behind SSH."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from paramiko.ssh_exception import SSHException

from qcluster.command import Become, Command, Put
from qcluster.errors import ConnectionDropped, UnreachableError
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput
from qcluster.transport.bridge import bridge
from qcluster.transport.channel import run_in_channel
from qcluster.transport.script import put_command, read_command, reading
from qcluster.transport.wire import Wire

Dial = Callable[[], Wire]


class SshTransport:
    """One host over one SSH connection, opened on first use."""

    def __init__(self, host: str, dial: Dial, become: Become | None = None):
        self._host, self._dial, self._become = host, dial, become
        self._lock = threading.Lock()
        self._wire: Wire | None = None

    @property
    def host(self) -> str:
        return self._host

    def wire(self) -> Wire:
        """The live connection, dialled now where there is none."""
        with self._lock:
            if self._wire is None or not self._wire.is_active():
                self._wire = self._dial()
            return self._wire

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        wire = self.wire()
        try:
            channel = wire.open_session()
        except (SSHException, EOFError) as error:
            raise UnreachableError(self._host, f"no channel: {error}") from error
        try:
            return run_in_channel(channel, command, on_output)
        except (SSHException, EOFError, OSError) as error:
            raise ConnectionDropped(self._host, f"the connection was lost while a command ran: {error}") from error
        finally:
            channel.close()

    def put(self, put: Put) -> Outcome:
        return self.run(put_command(put))

    def get(self, path: str, become: bool = False) -> bytes:
        return reading(path, self.run(read_command(path, (self._become or Become()) if become else None)))

    def open_tcp(self, address: str, port: int, timeout: float) -> socket.socket:
        return bridge(self.wire(), address, port, timeout)

    def close(self) -> None:
        with self._lock:
            if self._wire is not None:
                self._wire.close()
                self._wire = None
