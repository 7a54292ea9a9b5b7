"""Gateways (ProxyJump) are opened once and shared by every host behind them (fabric #2262)."""

from __future__ import annotations

import threading

from qcluster.transport.dial import dial
from qcluster.transport.settings import Settings
from qcluster.transport.target import Target, resolve
from qcluster.transport.wire import Wire


class Gateways:
    """Dials hosts; keeps the connections to their gateways."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[tuple[Target, ...], threading.Lock] = {}
        self._open: dict[tuple[Target, ...], Wire] = {}

    def dial(self, settings: Settings, again: bool = False) -> Wire:
        """A new connection to a host, through its gateways where it has any."""
        target = resolve(settings)
        return dial(target, self._gateway(target.jump))

    def _gateway(self, path: tuple[Target, ...]) -> Wire | None:
        """The live connection to the last hop of `path`; whoever comes first opens it, the others wait for it."""
        if not path:
            return None
        with self._lock:
            lock = self._locks.setdefault(path, threading.Lock())
        with lock:
            wire = self._open.get(path)
            if wire is None or not wire.is_active():
                wire = self._open[path] = dial(path[-1], self._gateway(path[:-1]))
            return wire

    def close(self) -> None:
        for path in sorted(self._open, key=len, reverse=True):
            self._open.pop(path).close()
