"""A host's connection as one task sees it: become, environment and deadline go with every command."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from qcluster.command import Become, Command, Put, Step
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput, Transport


@dataclass(frozen=True)
class Dress:
    """What a task adds to its commands. `timeout` is in seconds; `secret` keeps commands out of every record."""

    become: Become | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    secret: bool = False

    def command(self, command: Command) -> Command:
        return replace(
            command,
            become=command.become or self.become,
            env={**self.env, **command.env} if self.env else command.env,
            timeout=_least(command.timeout, self.timeout),
            secret=command.secret or self.secret,
        )

    def put(self, put: Put) -> Put:
        return replace(put, become=put.become or self.become, secret=put.secret or self.secret)


@dataclass(frozen=True)
class Dressed:
    """A transport that dresses whatever goes through it."""

    inner: Transport
    dress: Dress

    @property
    def host(self) -> str:
        return self.inner.host

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        return self.inner.run(self.dress.command(command), on_output)

    def put(self, put: Put) -> Outcome:
        return self.inner.put(self.dress.put(put))

    def get(self, path: str, become: bool = False) -> bytes:
        return self.inner.get(path, become or self.dress.become is not None)

    def open_tcp(self, address: str, port: int, timeout: float) -> socket.socket:
        return self.inner.open_tcp(address, port, timeout)

    def close(self) -> None:
        self.inner.close()


def dressed(transport: Transport, dress: Dress) -> Transport:
    """The transport itself where the task adds nothing."""
    return transport if dress == Dress() else Dressed(transport, dress)


class DressedFleet(Mapping[str, Transport]):
    """All hosts as one task sees them: each connection dressed, when it is taken, as its own host says."""

    def __init__(self, fleet: Mapping[str, Transport], dress: Callable[[str], Dress]):
        self._fleet, self._dress = fleet, dress

    def __getitem__(self, host: str) -> Transport:
        return dressed(self._fleet[host], self._dress(host))

    def __iter__(self) -> Iterator[str]:
        return iter(self._fleet)

    def __len__(self) -> int:
        return len(self._fleet)


def carry_out(transport: Transport, steps: Sequence[Step]) -> list[Outcome]:
    """Steps in order, up to and with the first that fails."""
    outcomes: list[Outcome] = []
    for step in steps:
        outcomes.append(transport.put(step) if isinstance(step, Put) else transport.run(step))
        if not outcomes[-1].ok:
            break
    return outcomes


def _least(one: float | None, other: float | None) -> float | None:
    given = [value for value in (one, other) if value]
    return min(given) if given else None
