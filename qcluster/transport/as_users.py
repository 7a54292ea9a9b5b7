"""Every host as its inventory says who acts there (`ansible_become`): for what is asked outside of a task."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from qcluster.command import Become, Command, Put
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput, Transport


@dataclass(frozen=True)
class _AsUser:
    """A transport whose commands run as another user, unless they name one."""

    inner: Transport
    become: Become

    @property
    def host(self) -> str:
        return self.inner.host

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        return self.inner.run(replace(command, become=command.become or self.become), on_output)

    def put(self, put: Put) -> Outcome:
        return self.inner.put(replace(put, become=put.become or self.become))

    def get(self, path: str, become: bool = False) -> bytes:
        return self.inner.get(path, True)

    def open_tcp(self, address: str, port: int, timeout: float) -> socket.socket:
        return self.inner.open_tcp(address, port, timeout)

    def close(self) -> None:
        self.inner.close()


class AsUsers(Mapping[str, Transport]):
    """`fleet`, where each host's commands run as the user that `users` has for it (None: who logs in)."""

    def __init__(self, fleet: Mapping[str, Transport], users: Mapping[str, Become | None]):
        self._fleet, self._users = fleet, users

    def __getitem__(self, host: str) -> Transport:
        become = self._users.get(host)
        return _AsUser(self._fleet[host], become) if become else self._fleet[host]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fleet)

    def __len__(self) -> int:
        return len(self._fleet)
