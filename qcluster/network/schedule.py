"""Which NPU probes which. Pure: the same hosts give the same schedule.

`hccn_tool` is serial on a host and a packet of `hccs_ping` takes a second, so the default asks little and covers much:
every directed host pair at least once, every NPU as a source and as a target at least twice, each time with another
partner. The order is rotated: at any step the hosts probe different NPUs, and the first steps cover all host pairs,
so that a budget cuts what matters least.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from qcluster.network.findings import Npu

TWICE = 2
SECONDS = {"hccs": 1.1, "roce": 0.5}
"""What one probe takes: hccs_ping waits a second a packet; -ping sends three quick ones."""


class Probe(NamedTuple):
    """One ping from an NPU to an NPU, of `packets` packets. `roce` is a side probe on A3."""

    source: Npu
    target: Npu
    packets: int = 1
    roce: bool = False


@dataclass(frozen=True)
class Effort:
    """How much to probe. `full`: every NPU pair. `pairs`: so many per directed host pair. `budget`: seconds."""

    full: bool = False
    pairs: int = 1
    budget: float | None = None
    seconds: float = SECONDS["hccs"]


@dataclass(frozen=True)
class Schedule:
    """What each host sends, in order. `wanted` is how many there were before the budget cut them."""

    probes: Mapping[str, tuple[Probe, ...]]
    wanted: int
    seconds: float

    @property
    def planned(self) -> int:
        return sum(map(len, self.probes.values()))

    @property
    def duration(self) -> float:
        """Seconds until the busiest host is done: hosts work side by side."""
        return self.seconds * max(map(len, self.probes.values()), default=0)


def schedule(npus: Mapping[str, Sequence[int]], pairs: Sequence[tuple[str, str]], effort: Effort) -> Schedule:
    """Plan the probes between `pairs` (directed) of hosts with these NPUs. Hosts without NPUs take no part."""
    lanes = _Lanes({host: tuple(ids) for host, ids in npus.items() if ids}, pairs)
    lanes.cover(effort.pairs)
    lanes.fill_targets()
    if effort.full:
        lanes.fill_all()
    wanted = sum(map(len, lanes.probes.values()))
    keep = None if effort.budget is None else max(1, int(effort.budget / effort.seconds))
    return Schedule({host: tuple(sent[:keep]) for host, sent in lanes.probes.items()}, wanted, effort.seconds)


@dataclass
class _Lanes:
    """The schedule while it grows: one lane a host."""

    npus: Mapping[str, tuple[int, ...]]
    pairs: Sequence[tuple[str, str]]
    probes: dict[str, list[Probe]] = field(default_factory=dict)
    hits: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        names = list(self.npus)
        place = {name: index for index, name in enumerate(names)}
        self.peers: dict[str, list[str]] = {name: [] for name in names}
        for source, target in dict.fromkeys(self.pairs):
            if source != target and source in place and target in place:
                self.peers[source].append(target)
        for name, peers in self.peers.items():
            peers.sort(key=lambda peer: (place[peer] - place[name]) % len(names))
            if peers:
                self.probes[name] = []

    def cover(self, per_pair: int) -> None:
        """All host pairs first, then every NPU as a source twice; hosts move in step."""
        length = {h: max(len(self.peers[h]) * per_pair, TWICE * len(self.npus[h])) for h in self.probes}
        for step in range(max(length.values(), default=0)):
            for host in self.probes:
                if step < length[host]:
                    self._send(host, self.peers[host][step % len(self.peers[host])])

    def fill_targets(self) -> None:
        """Where a host is probed by few (one decode host of many), its NPUs need more to be targets twice."""
        askers: dict[str, list[str]] = defaultdict(list)
        for host, peers in self.peers.items():
            for peer in peers:
                askers[peer].append(host)
        for target, hosts in askers.items():
            while self.hits[target] < TWICE * len(self.npus[target]):
                self._send(min(hosts, key=lambda host: len(self.probes[host])), target)

    def _send(self, host: str, target: str) -> None:
        """The next probe of `host`: its NPUs take turns, and so do the target's; each lap meets other partners."""
        own, theirs = self.npus[host], self.npus[target]
        sent, hit = len(self.probes[host]), self.hits[target]
        source = Npu(host, own[(sent + sent // len(own)) % len(own)])
        self.probes[host].append(Probe(source, Npu(target, theirs[(hit + 2 * (hit // len(theirs))) % len(theirs)])))
        self.hits[target] += 1

    def fill_all(self) -> None:
        """Every NPU pair that is not there yet."""
        for host, lane in self.probes.items():
            lane[:] = dict.fromkeys(lane)
            done = {(probe.source, probe.target) for probe in lane}
            lane.extend(Probe(*pair) for pair in self._all_from(host) if pair not in done)

    def _all_from(self, host: str) -> Iterator[tuple[Npu, Npu]]:
        own = [Npu(host, npu) for npu in self.npus[host]]
        theirs = {peer: [Npu(peer, npu) for npu in self.npus[peer]] for peer in self.peers[host]}
        for shift in range(max(map(len, theirs.values()), default=0)):
            for index, source in enumerate(own):
                for targets in theirs.values():
                    if shift < len(targets):
                        yield source, targets[(index + shift) % len(targets)]
