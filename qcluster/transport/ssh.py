"""A host behind SSH."""

from __future__ import annotations

import socket
from contextlib import suppress

from paramiko.ssh_exception import SSHException

from qcluster.command import Become, Command, Put
from qcluster.errors import ConnectionDropped
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput
from qcluster.transport.bridge import bridge
from qcluster.transport.channel import run_in_channel
from qcluster.transport.script import inline, put_command, read_command, reading
from qcluster.transport.sessions import Dial, Sessions


class SshTransport:
    """One host over SSH: small commands through a persistent shell, the others in channels of their own."""

    def __init__(self, host: str, dial: Dial, become: Become | None = None):
        self._host, self._become = host, become
        self._sessions = Sessions(host, dial)

    @property
    def host(self) -> str:
        return self._host

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        try:
            text = None if on_output else inline(command)
            return self._in_channel(command, on_output) if text is None else self._in_shell(command, text)
        except (SSHException, EOFError, OSError) as error:
            self._sessions.forget_lost()
            why = f" ({error})" if str(error) else ""
            what = f"the connection was lost while a command ran; it may have taken effect{why}"
            raise ConnectionDropped(self._host, what) from error

    def _in_shell(self, command: Command, text: str) -> Outcome:
        with self._sessions.shell(command.become) as shell:
            return shell.run(command, text)

    def _in_channel(self, command: Command, on_output: OnOutput | None) -> Outcome:
        with self._sessions.session(command.become) as session:
            return run_in_channel(session, command, on_output)

    def put(self, put: Put) -> Outcome:
        return self.run(put_command(put))

    def get(self, path: str, become: bool = False) -> bytes:
        return reading(path, self.run(read_command(path, (self._become or Become()) if become else None)))

    def open_tcp(self, address: str, port: int, timeout: float) -> socket.socket:
        return bridge(self._sessions.wire(), address, port, timeout)

    def close(self) -> None:
        with suppress(EOFError, OSError):
            self._sessions.close()
