"""Gateways (ProxyJump) are opened once and shared by every host behind them (fabric #2262)."""

from __future__ import annotations

import threading
from dataclasses import replace

from qcluster.transport.dial import dial, patiently
from qcluster.transport.keyring import Keyring
from qcluster.transport.target import Target
from qcluster.transport.tcp import Early
from qcluster.transport.wire import Wire

_HANDSHAKES = 24
"""Key exchanges at once: more would only make each of them slow enough for a server's LoginGraceTime."""


class Gateways:
    """Dials hosts; keeps the connections to their gateways."""

    def __init__(self) -> None:
        self._lock, self._ring = threading.Lock(), Keyring()
        self._turn = threading.BoundedSemaphore(_HANDSHAKES)
        self._locks: dict[tuple[Target, ...], threading.Lock] = {}
        self._open: dict[tuple[Target, ...], Wire] = {}

    def dial(self, early: Early, again: bool = False) -> Wire:
        """A new connection to a host, through its gateways where it has any."""
        return patiently(lambda: self._dial(early), again)

    def _dial(self, early: Early) -> Wire:
        gateway = self._gateway(early.target.jump)
        with self._turn:
            return dial(early.target, self._ring, gateway, early)

    def _gateway(self, path: tuple[Target, ...]) -> Wire | None:
        """The live connection to the last hop of `path`; whoever comes first opens it, the others wait for it."""
        if not path:
            return None
        key = tuple(_anonymous(hop) for hop in path)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            wire = self._open.get(key)
            if wire is None or not wire.is_active():
                wire = self._open[key] = dial(path[-1], self._ring, self._gateway(path[:-1]))
            return wire

    def close(self) -> None:
        for key in sorted(self._open, key=len, reverse=True):
            self._open.pop(key).close()


def _anonymous(hop: Target) -> Target:
    """A hop without the name of the host that asked for it: the same gateway is the same for all."""
    return replace(hop, name="")
