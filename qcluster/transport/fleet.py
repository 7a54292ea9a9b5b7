"""The transports of a run by host name, opened when first used; gateways are opened once and shared."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from qcluster.transport.as_users import AsUsers
from qcluster.transport.base import Transport
from qcluster.transport.late import LateTransport
from qcluster.transport.settings import Settings
from qcluster.transport.watched import OnCommand, Watched

if TYPE_CHECKING:
    from qcluster.transport.gateways import Gateways

CONTROLLER = "localhost"


class Fleet(Mapping[str, Transport]):
    """`fleet[host]` is the host's transport, the same one every time. Nothing is dialled before it is used.

    `localhost` is the controller itself, as Ansible's implicit one, unless the inventory has a host of that name.
    """

    def __init__(self, settings: Mapping[str, Settings], on_command: OnCommand | None = None):
        self._settings, self._on_command = settings, on_command
        self._lock, self._importing = threading.Lock(), threading.Lock()
        self._made: dict[str, Transport] = {}
        self._shared: Gateways | None = None

    def __getitem__(self, host: str) -> Transport:
        with self._lock:
            if host not in self._made:
                known = {CONTROLLER: Settings(CONTROLLER, connection="local"), **self._settings}
                made = self._make(known[host])
                self._made[host] = Watched(made, self._on_command) if self._on_command else made
            return self._made[host]

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def as_users(self, watched: bool = True) -> AsUsers:
        """The same connections, each host's commands run as its inventory says; unwatched, nobody is told of them."""
        users = {name: settings.become for name, settings in self._settings.items()}
        return AsUsers(self if watched else _Unwatched(self), users)

    def _make(self, settings: Settings) -> Transport:
        if settings.connection == "local":
            from qcluster.transport.local import LocalTransport

            return LocalTransport(settings.name, settings.become)
        return LateTransport(settings, self._gateways)

    def _gateways(self) -> Gateways:
        """Paramiko is imported here, by the first host that needs it; the others wait, their sshd at work."""
        with self._importing:
            if self._shared is None:
                from qcluster.transport import library  # noqa: F401  # first: it imports Paramiko the short way
                from qcluster.transport.gateways import Gateways

                self._shared = Gateways()
            return self._shared

    def close(self) -> None:
        with self._lock:
            for transport in self._made.values():
                transport.close()
            self._made.clear()
            if self._shared:
                self._shared.close()


class _Unwatched(Mapping[str, Transport]):
    """The same transports, of whose commands nobody is told."""

    def __init__(self, fleet: Fleet):
        self._fleet = fleet

    def __getitem__(self, host: str) -> Transport:
        found = self._fleet[host]
        return found.inner if isinstance(found, Watched) else found

    def __iter__(self) -> Iterator[str]:
        return iter(self._fleet)

    def __len__(self) -> int:
        return len(self._fleet)
