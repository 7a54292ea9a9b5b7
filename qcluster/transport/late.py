"""A host behind SSH of which nothing exists before its first command: no connection, and not even Paramiko."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qcluster.command import Command, Put
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput
from qcluster.transport.settings import Settings
from qcluster.transport.tcp import Early

if TYPE_CHECKING:
    from qcluster.transport.gateways import Gateways
    from qcluster.transport.ssh import SshTransport


class LateTransport:
    """Becomes an `SshTransport` when it is used. TCP is opened first, so that sshd works while Paramiko is imported."""

    def __init__(self, settings: Settings, gateways: Callable[[], Gateways]):
        self._settings, self._gateways = settings, gateways
        self._lock = threading.Lock()
        self._made: SshTransport | None = None

    @property
    def host(self) -> str:
        return self._settings.name

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        return self._inner().run(command, on_output)

    def put(self, put: Put) -> Outcome:
        return self._inner().put(put)

    def get(self, path: str, become: bool = False) -> bytes:
        return self._inner().get(path, become)

    def open_tcp(self, address: str, port: int, timeout: float) -> socket.socket:
        return self._inner().open_tcp(address, port, timeout)

    def close(self) -> None:
        with self._lock:
            if self._made:
                self._made.close()

    def _inner(self) -> SshTransport:
        with self._lock:
            self._made = self._made or self._make()
            return self._made

    def _make(self) -> SshTransport:
        early = Early(self._settings)
        gateways = self._gateways()
        from qcluster.transport.ssh import SshTransport

        return SshTransport(self.host, partial(gateways.dial, early), self._settings.become)
