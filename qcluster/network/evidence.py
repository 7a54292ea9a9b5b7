"""Everything that was read from the hosts, in the form in which the checks look at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from qcluster.facts.hccn import Trouble
from qcluster.facts.npu import NpuTable
from qcluster.network.findings import Npu
from qcluster.network.survey import HostReading, NpuReadings
from qcluster.network.topology import Topology

HCCS, ROCE = "hccs", "roce"


@dataclass(frozen=True)
class Evidence:
    """`silent` are the NPUs with a failed probe, once probes were sent. `wanted` is `auto`, `hccs` or `roce`.

    `unreached` maps hosts that could not be asked to the reason."""

    topology: Topology
    hosts: Mapping[str, HostReading]
    npus: Mapping[str, NpuReadings] = field(default_factory=dict)
    silent: frozenset[Npu] = frozenset()
    wanted: str = "auto"
    limit: float = 10.0
    unreached: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def fabric(self) -> str:
        """How NPUs of different hosts reach each other: over HCCS where all are A3, else over RoCE."""
        kinds = {self.hardware(host) for host in self.npu_hosts}
        return self.wanted if self.wanted in (HCCS, ROCE) else HCCS if kinds == {"a3"} else ROCE

    @cached_property
    def npu_hosts(self) -> tuple[str, ...]:
        """The hosts that have a part in the NPU fabric (a proxy's own host has none)."""
        return tuple(name for name, host in self.topology.hosts.items() if host.hardware != "none")

    def hardware(self, host: str) -> str:
        """What the host's own table says, else what the plan says."""
        reading = self.hosts.get(host)
        return (reading.hardware if reading else "") or self.topology.hosts[host].hardware

    def chosen(self, host: str) -> tuple[int, ...]:
        """The NPUs that take part: the plan's, else all that the host has."""
        planned = self.topology.hosts[host].npus
        if planned or host not in self.hosts:
            return planned
        table = self.hosts[host].table
        return tuple(sorted(table.by_physical)) if isinstance(table, NpuTable) else ()

    def all_npus(self) -> Iterator[Npu]:
        for host in self.npu_hosts:
            yield from (Npu(host, npu) for npu in self.chosen(host))

    @property
    def total(self) -> int:
        return sum(1 for _ in self.all_npus())

    def each(self, query: str) -> Iterator[tuple[Npu, Any]]:
        """`query`'s reading of every NPU that was asked."""
        for npu in self.all_npus():
            if npu.host in self.npus and query in self.npus[npu.host].readings.get(npu.npu, {}):
                yield npu, self.npus[npu.host].get(npu.npu, query)

    def values(self, query: str, kind: type[Any]) -> Iterator[tuple[Npu, Any]]:
        """Only the readings that are values."""
        return ((npu, reading) for npu, reading in self.each(query) if isinstance(reading, kind))

    def endpoint(self, npu: Npu, fabric: str) -> Any:
        """The reading that holds `npu`'s address on a fabric."""
        readings = self.npus.get(npu.host)
        found = readings.get(npu.npu, "vnic" if fabric == HCCS else "ip") if readings else None
        return Trouble("truncated", f"{npu} was not read") if found is None else found

    def address(self, npu: Npu, fabric: str) -> str:
        """Where `npu` is pinged on a fabric; `""` where it has no address there."""
        return str(getattr(self.endpoint(npu, fabric), "address", ""))

    @cached_property
    def mute(self) -> Mapping[str, Trouble]:
        """Hosts whose hccn_tool answered nothing at all, with the trouble: probes from there would fare no better."""
        found = {host: _stuck(readings) for host, readings in self.npus.items()}
        return {host: trouble for host, trouble in found.items() if trouble}


def _stuck(readings: NpuReadings) -> Trouble | None:
    every = [value for told in readings.readings.values() for value in told.values()]
    stuck = [v for v in every if isinstance(v, Trouble) and v.cause in ("tool-busy", "timeout", "tool-missing")]
    return stuck[0] if stuck and len(stuck) == len(every) else None
