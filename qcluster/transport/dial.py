"""Open one authenticated SSH connection: TCP or a gateway's channel, host key, login."""

from __future__ import annotations

import socket
from typing import Any

import paramiko
from paramiko.ssh_exception import SSHException

from qcluster.errors import (
    AuthenticationFailed,
    ConnectionRefused,
    ConnectTimeout,
    NameResolutionError,
    UnreachableError,
)
from qcluster.transport.known_hosts import SYSTEM_FILES, key_name, known_keys, verify
from qcluster.transport.login import log_in
from qcluster.transport.target import Target
from qcluster.transport.wire import Wire, tune


def dial(target: Target, gateway: Wire | None = None) -> Wire:
    """A connection that is ready for commands. Raises `UnreachableError` and its kinds."""
    sock = _through(gateway, target) if gateway else _connect(target)
    wire = Wire(sock)
    try:
        _handshake(wire, target)
        verify(target, wire.get_remote_server_key())
        log_in(wire, target)
    except UnreachableError:
        wire.close()
        raise
    except (SSHException, EOFError, OSError) as error:
        wire.close()
        raise UnreachableError(target.name, f"SSH with {target.address}:{target.port} failed: {error}") from error
    wire.settle()
    return wire


def _connect(target: Target) -> socket.socket:
    place = f"{target.address}:{target.port}"
    try:
        sock = socket.create_connection((target.address, target.port), target.connect_timeout)
    except socket.gaierror as error:
        raise NameResolutionError(target.name, f"{target.address} has no address: {error.strerror}") from error
    except ConnectionRefusedError as error:
        raise ConnectionRefused(target.name, f"{place} refused the connection", "is sshd running there?") from error
    except TimeoutError as error:
        waited = f"{target.connect_timeout:g} s"
        raise ConnectTimeout(target.name, f"{place} did not answer within {waited}") from error
    except OSError as error:
        raise UnreachableError(target.name, f"{place}: {error.strerror}") from error
    tune(sock)
    return sock


def _through(gateway: Wire, target: Target) -> Any:
    try:
        return gateway.open_channel(
            "direct-tcpip", (target.address, target.port), ("127.0.0.1", 0), timeout=target.connect_timeout
        )
    except (SSHException, EOFError) as error:
        what = f"the gateway cannot reach {target.address}:{target.port}: {error}"
        raise UnreachableError(target.name, what) from error


def _handshake(wire: Wire, target: Target) -> None:
    known = known_keys((*target.known_hosts, *SYSTEM_FILES), key_name(target))
    options = wire.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda kind: not _is_known(kind, known))
    wire.banner_timeout = wire.auth_timeout = max(target.connect_timeout, 30)
    try:
        wire.start_client(timeout=target.connect_timeout)
    except SSHException as error:
        raise UnreachableError(target.name, f"no SSH on {target.address}:{target.port}: {error}") from error


def _is_known(kind: str, known: dict[str, list[paramiko.PKey]]) -> bool:
    return (kind if not kind.startswith("rsa-sha2") else "ssh-rsa") in known


__all__ = ["AuthenticationFailed", "dial"]
