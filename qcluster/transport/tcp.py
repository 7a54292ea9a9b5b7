"""TCP to a host, in a file that does without Paramiko."""

from __future__ import annotations

import socket
from typing import Any

from qcluster.errors import ConnectionRefused, ConnectTimeout, NameResolutionError, QclusterError, UnreachableError
from qcluster.transport.settings import Settings
from qcluster.transport.target import Target, resolve

_SILENCE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 35_000}
"""A peer that answers nothing for about 35 s is gone. The kernel watches; nothing here has to."""


def connect(target: Target) -> socket.socket:
    """A connection without Nagle. Raises `UnreachableError` and its kinds."""
    at = place(target)
    try:
        sock = socket.create_connection((_name(target.address), target.port), target.connect_timeout)
    except socket.gaierror as error:
        raise NameResolutionError(target.name, f"{target.address} has no address: {error.strerror}") from error
    except ConnectionRefusedError as error:
        raise ConnectionRefused(target.name, f"{at} refused the connection", "is sshd running there?") from error
    except TimeoutError as error:
        waited = f"{target.connect_timeout:g} s"
        raise ConnectTimeout(target.name, f"{at} did not answer within {waited}") from error
    except OSError as error:
        raise UnreachableError(target.name, f"{at}: {error.strerror}") from error
    tune(sock)
    return sock


def place(target: Target) -> str:
    return f"{target.address}:{target.port}"


def tune(sock: Any) -> None:
    """A command is many small packets: with Nagle each waits 40 ms for the peer's delayed ACK."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SILENCE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _name(address: str) -> Any:
    """Bytes where they suffice: text would load the tables of international names, 10 ms for nothing."""
    return address.encode() if address.isascii() else address


class Early:
    """The first connection to a host, opened before Paramiko is imported: sshd forks and greets in the meantime.

    What goes wrong is told when the connection is asked for. Only the first dialling gets it.
    """

    def __init__(self, settings: Settings):
        self._settings = settings
        self._target: Target | None = None
        self._socket: socket.socket | None = None
        self._error: QclusterError | None = None
        try:
            self._target = resolve(settings)
            self._socket = None if self._target.jump else connect(self._target)
        except QclusterError as error:
            self._error = error

    @property
    def target(self) -> Target:
        """Raises `InputError` where ssh_config asks for what is not supported."""
        if self._target is None:
            self._target = resolve(self._settings)
        return self._target

    def take(self) -> socket.socket | None:
        """The connection, or what went wrong, once; None afterwards and behind a gateway."""
        error, self._error = self._error, None
        if error:
            raise error
        taken, self._socket = self._socket, None
        return taken
