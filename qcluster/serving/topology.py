"""Which process runs where: teams of data-parallel ranks over hosts, and each process's devices and rank.

One rank takes tp·pp·pcp NPUs (`width`), so a host holds npus / (tp·pp·pcp) of them (`capacity`), in `npus`' order.

- A dense model has no data parallelism that others see: vLLM refuses `--data-parallel-rank` for it (engine/arg_utils.py
  at v0.23.0). `dp: 8` means eight replicas on each host, each a service of its own with its own ports.
- A MoE model spreads its experts: `dp: 8` is one group of eight ranks, on one host or over several in their order.
- A rank that is larger than a host takes as many hosts as it needs (`--nnodes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from qcluster.errors import Problem
from qcluster.inventory.folding import told
from qcluster.serving.deployment import CONNECTED, Deployment
from qcluster.serving.placement import Placement


@dataclass(frozen=True)
class Share:
    """One host's part of a data-parallel group: ranks `[start, start + count)`."""

    placement: Placement
    start: int
    count: int


@dataclass(frozen=True)
class Team:
    """A data-parallel group. `size` ranks in all; the first share's host is its master."""

    name: str
    size: int
    shares: tuple[Share, ...]

    @property
    def master(self) -> Placement:
        return self.shares[0].placement


@dataclass(frozen=True)
class Slot:
    """A `vllm serve` process to be.

    `kind`: replica (dense, on its own), rank (one external-DP rank), internal (all ranks of this host in one process),
    headless (internal, but another host answers). `index` counts within host and role, `ranks` are the DP ranks inside.
    A rank that is larger than a host has a process on each of its `nodes`; `node` 0 answers, the others are headless.
    """

    team: Team
    placement: Placement
    kind: str
    index: int
    start: int
    ranks: int
    devices: tuple[int, ...]
    nodes: int = 1
    node: int = 0

    @property
    def name(self) -> str:
        return f"{self.placement.host.name}-{self.placement.role}-{self.index}"

    @property
    def engine(self) -> str:
        """The engine it belongs to: of a rank over several hosts the process that answers."""
        return f"{self.team.master.host.name}-{self.placement.role}-0" if self.nodes > 1 else self.name

    @property
    def dp_size(self) -> int:
        return 1 if self.kind == "replica" or self.nodes > 1 else self.team.size

    @property
    def dp_rank(self) -> int | None:
        return self.start if self.kind == "rank" and self.team.size > 1 else None

    @property
    def port(self) -> int | None:
        return None if self.kind == "headless" else (self.placement.settings.port_base or 0) + self.index

    @property
    def stride(self) -> int:
        """Handshake ports of one DP rank on one host."""
        return width(self.placement) // self.nodes

    @property
    def kv_port(self) -> int | None:
        """First handshake port; replicas have rank 0 each, so they are kept apart here, ranks by the connector."""
        if self.placement.role not in CONNECTED:
            return None
        return (self.placement.settings.kv_port or 0) + (self.index * self.stride if self.kind == "replica" else 0)


def width(placement: Placement) -> int:
    """NPUs of one DP rank (`dcp` shares the NPUs of tp)."""
    settings = placement.settings
    return (settings.tp or 1) * settings.pp * settings.pcp


def capacity(placement: Placement) -> int:
    """How many DP ranks fit on the host."""
    fits = len(placement.settings.npus or ()) // width(placement)
    return min(fits, placement.settings.dp_local or fits)


def slots(deployment: Deployment, problems: list[Problem]) -> list[Slot]:
    """Every process of the deployment; what does not fit is reported and left out."""
    return [slot for team in _teams(deployment, problems) for slot in _processes(deployment, team)]


def by_host(everyone: Iterable[Slot]) -> dict[str, list[Slot]]:
    """The processes of each host, hosts in the order of their first process."""
    found: dict[str, list[Slot]] = {}
    for slot in everyone:
        found.setdefault(slot.placement.host.name, []).append(slot)
    return found


def _teams(deployment: Deployment, problems: list[Problem]) -> Iterator[Team]:
    for cell, members in groupby(deployment.placements, lambda placement: (placement.role, placement.cell)):
        own = list(members)
        spread = _across if all(map(_overlarge, own)) else _spanning if deployment.moe else _one_a_host
        for number, (size, shares) in enumerate(spread(own, problems)):
            yield Team(f"{cell[1]}-{number}", size, tuple(shares))


def _overlarge(placement: Placement) -> bool:
    """Whether one rank needs more NPUs than the host has, so that it takes several hosts."""
    return 0 < len(placement.settings.npus or ()) < width(placement)


def _across(members: list[Placement], problems: list[Problem]) -> Iterator[tuple[int, list[Share]]]:
    """One rank over as many hosts as it needs, all with the same number of NPUs (vLLM's `--nnodes`); dp is 1.

    Source: vllm/engine/arg_utils.py and vllm/entrypoints/cli/serve.py at v0.23.0; GLM5.2.md of vllm-ascend.
    """
    waiting = list(members)
    while waiting:
        first = waiting[0]
        step, have = width(first), len(first.settings.npus or ())
        nodes = -(-step // have)
        team, waiting = waiting[:nodes], waiting[nodes:]
        problems.extend(_uneven(team, nodes))
        if len(team) == nodes and step % nodes == 0:
            yield 1, [Share(placement, 0, 1) for placement in team]


def _uneven(team: list[Placement], nodes: int) -> Iterator[Problem]:
    """What keeps hosts from carrying one rank together."""
    first, step = team[0], width(team[0])
    if len(team) < nodes or step % nodes:
        have = " + ".join(str(len(placement.settings.npus or ())) for placement in team)
        named = told(placement.host.name for placement in team)
        what = f"one rank (tp·pp·pcp) needs {step} NPUs, the same number on each host; {named}: {have}"
        yield first.problem(_size_variable(first), what, "lower tp or pp, or add hosts to this group")
    for placement in team:
        if (placement.settings.dp or 1) > 1:
            what = f"is {placement.settings.dp}, but each rank takes several hosts"
            yield placement.problem("dp", what, "dp: 1 here: every further set of hosts is a service of its own")
        if width(placement) != step or len(placement.settings.npus or ()) < step // nodes:
            what = f"{placement.host.name} differs from {first.host.name}, with which it carries one rank"
            yield placement.problem("npus", what, "the same tp, pp, pcp and number of npus on both")


def _size_variable(placement: Placement) -> str:
    return next((name for name in ("pp", "tp", "npus") if name in placement.variables), "tp")


def _one_a_host(members: list[Placement], problems: list[Problem]) -> Iterator[tuple[int, list[Share]]]:
    for placement in members:
        wanted, fits = placement.settings.dp or 1, capacity(placement)
        if wanted > fits:
            problems.append(_too_big(placement, wanted))
        if min(wanted, fits):
            yield min(wanted, fits), [Share(placement, 0, min(wanted, fits))]


def _spanning(members: list[Placement], problems: list[Problem]) -> Iterator[tuple[int, list[Share]]]:
    """A group that fits on a host stays there; a larger one takes hosts in order, each as many ranks as it can hold."""
    waiting = list(members)
    while waiting:
        size, shares, start = waiting[0].settings.dp or 1, list[Share](), 0
        while waiting and start < size:
            placement = waiting.pop(0)
            count = min(capacity(placement), size - start)
            problems.extend(_unlike(placement, size, count))
            shares.append(Share(placement, start, count))
            start += count
        if 0 < start < size:
            problems.append(_incomplete(shares, size, start))
        if start:
            yield size, [share for share in shares if share.count]


def _unlike(placement: Placement, size: int, count: int) -> Iterable[Problem]:
    if count == 0:
        yield _too_big(placement, 1)
    if placement.settings.dp != size:
        yield placement.problem("dp", f"is {placement.settings.dp}, but the group it belongs to has {size}")


def _too_big(placement: Placement, wanted: int) -> Problem:
    step, have = width(placement), len(placement.settings.npus or ())
    holds = f"npus names {have}" if "npus" in placement.variables else f"{placement.settings.hardware} has {have}"
    if step > have:
        what = f"one rank (tp·pp·pcp) needs {step} NPUs, {holds}, while others of its group hold a rank"
        return placement.problem(_size_variable(placement), what, "lower tp or pp, or put like hosts into child groups")
    what = f"{wanted} × {step} (tp·pp·pcp) needs {wanted * step} NPUs, {holds}"
    return placement.problem("dp" if placement.settings.dp != 1 else "tp", what, "lower dp or tp")


def _incomplete(shares: list[Share], size: int, start: int) -> Problem:
    hosts = told(share.placement.host.name for share in shares)
    return shares[0].placement.problem(
        "dp", f"is {size}, but {hosts} together hold {start} ranks", "add hosts or lower dp"
    )


def _processes(deployment: Deployment, team: Team) -> Iterator[Slot]:
    nodes = len(team.shares) if _overlarge(team.master) else 1
    for node, share in enumerate(team.shares):
        settings = share.placement.settings
        if nodes > 1:
            yield _node(team, share, node, "replica" if not deployment.moe else "rank")
            continue
        connected = share.placement.role in CONNECTED
        if settings.dp_mode == "internal" and not (connected and not deployment.moe):
            kind = "internal" if share.placement is team.master else "headless"
            yield _slot(team, share, kind, 0, share.count)
        else:
            kind = "rank" if deployment.moe else "replica"
            yield from (_slot(team, share, kind, index, 1) for index in range(share.count))


def _node(team: Team, share: Share, node: int, kind: str) -> Slot:
    """One host's part of a rank that is larger than a host."""
    nodes = len(team.shares)
    devices = (share.placement.settings.npus or ())[: width(share.placement) // nodes]
    return Slot(team, share.placement, kind if node == 0 else "headless", 0, 0, 1, devices, nodes, node)


def _slot(team: Team, share: Share, kind: str, index: int, ranks: int) -> Slot:
    step = width(share.placement)
    npus = share.placement.settings.npus or ()
    devices = npus[index * step : (index + ranks) * step]
    return Slot(team, share.placement, kind, index, share.start + index, ranks, devices)
