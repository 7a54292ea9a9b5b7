"""Open one authenticated SSH connection: TCP or a gateway's channel, host key, login."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paramiko.ssh_exception import SSHException

from qcluster.errors import ConnectionRefused, ConnectTimeout, UnreachableError
from qcluster.transport.keyring import Keyring
from qcluster.transport.known_hosts import KnownKey, known_keys, verify
from qcluster.transport.login import log_in
from qcluster.transport.target import Target
from qcluster.transport.tcp import Early, connect, place
from qcluster.transport.wire import Wire

_GREETING_TIMEOUT = 30.0
"""Seconds that a server may take for its banner and for each answer to a login."""


class HungUp(UnreachableError):
    """The server closed the connection before the login: too busy (MaxStartups), or starting."""


def dial(target: Target, ring: Keyring, gateway: Wire | None = None, early: Early | None = None) -> Wire:
    """A connection that is ready for commands. Raises `UnreachableError` and its kinds."""
    sock = early.take() if early else None
    wire = Wire(sock or (_through(gateway, target) if gateway else connect(target)))
    try:
        known = known_keys(target)
        _handshake(wire, target, known)
        verify(target, wire.get_remote_server_key(), known)
        log_in(wire, target, ring)
    except (SSHException, EOFError, OSError) as error:
        wire.close()
        raise UnreachableError(target.name, f"SSH with {place(target)} failed: {error}") from error
    except BaseException:
        wire.close()
        raise
    wire.settle(target.alive)
    return wire


def patiently(attempt: Callable[[], Wire], again: bool) -> Wire:
    """Dial once more, and again, where waiting may help. Nothing has run yet, so nothing is replayed.

    A login that was refused is never repeated. `again`: the host was there before, so a refused or silent port may
    be a restart of its sshd: that is waited for.
    """
    transient = (HungUp, ConnectionRefused, ConnectTimeout) if again else (HungUp,)
    try:
        return attempt()
    except transient:
        pass  # outside of this block: an error raised in it would forget its own cause
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

    tries = Retrying(
        retry=retry_if_exception_type(transient),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        stop=stop_after_delay(20),
        reraise=True,
    )
    return tries(attempt)


def _through(gateway: Wire, target: Target) -> Any:
    to, origin = (target.address, target.port), ("127.0.0.1", 0)
    try:
        return gateway.open_channel("direct-tcpip", to, origin, timeout=target.connect_timeout)
    except (SSHException, EOFError) as error:
        what = f"the gateway {gateway.getpeername()[0]} cannot reach {place(target)}: {error}"
        raise UnreachableError(target.name, what) from error


def _handshake(wire: Wire, target: Target, known: list[KnownKey]) -> None:
    """Agree on keys; of the server's host keys, prefer a kind that is already known."""
    options = wire.get_security_options()
    kinds = {key.kind for key in known if not key.revoked}
    options.key_types = sorted(options.key_types, key=lambda kind: _base(kind) not in kinds)
    options.ciphers = sorted(options.ciphers, key=lambda cipher: "gcm" not in cipher)
    wire.banner_timeout = wire.auth_timeout = _GREETING_TIMEOUT
    try:
        wire.start_client(timeout=max(target.connect_timeout, _GREETING_TIMEOUT))
    except (EOFError, OSError) as error:
        raise HungUp(target.name, f"{place(target)} closed the connection before the login") from error
    except SSHException as error:
        kind = HungUp if isinstance(error.__context__, EOFError | OSError) else UnreachableError
        raise kind(target.name, f"no SSH on {place(target)}: {error}") from error


def _base(kind: str) -> str:
    return "ssh-rsa" if kind.startswith("rsa-sha2") else kind
