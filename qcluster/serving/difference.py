"""What is planned against what runs: the labels on the hosts are the state, there is no database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qcluster.serving.plan import Plan

SAME, CHANGED, MISSING, STOPPED, EXTRA, UNKNOWN = "same", "changed", "missing", "stopped", "extra", "unknown"


@dataclass(frozen=True)
class Running:
    """A container as a host shows it, with this tool's labels. `running` is False for one that has ended."""

    host: str
    name: str
    deployment: str
    digest: str
    running: bool = True


@dataclass(frozen=True)
class Difference:
    """One container: what an `up` would do about it."""

    host: str
    container: str
    state: str
    planned: str = ""
    found: str = ""

    @property
    def action(self) -> str:
        """What `up` does."""
        return _ACTIONS[self.state]


_ACTIONS = {
    SAME: "nothing",
    CHANGED: "replace",
    MISSING: "start",
    STOPPED: "start again",
    EXTRA: "left alone; `qcluster down` removes it",
    UNKNOWN: "the host was not reached",
}


def difference(plan: Plan, running: Sequence[Running], unreached: Sequence[str] = ()) -> list[Difference]:
    """Every container of the plan, and those of the same deployment that the plan does not have."""
    found = {(one.host, one.name): one for one in running if one.deployment == plan.deployment}
    wanted = {(host, name): digest for host, name, digest in _wanted(plan)}
    planned = [_compare(host, name, digest, found, unreached) for (host, name), digest in wanted.items()]
    extra = [Difference(one.host, one.name, EXTRA, "", one.digest) for key, one in found.items() if key not in wanted]
    return [*planned, *extra]


def _wanted(plan: Plan) -> Iterator[tuple[str, str, str]]:
    for host in plan.hosts:
        yield from ((host.name, container.name, host.digest) for container in host.containers)
    if plan.proxy:
        yield plan.proxy.host, plan.proxy.container, plan.proxy.digest


def _compare(
    host: str, name: str, digest: str, found: dict[tuple[str, str], Running], unreached: Sequence[str]
) -> Difference:
    one = found.get((host, name))
    if one is None:
        return Difference(host, name, UNKNOWN if host in unreached else MISSING, digest)
    state = CHANGED if one.digest != digest else SAME if one.running else STOPPED
    return Difference(host, name, state, digest, one.digest)
