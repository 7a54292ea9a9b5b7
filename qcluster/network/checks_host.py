"""The hosts' own network, as far as it can be read without connecting: NIC, MTU, reserved ports, clocks. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from qcluster.network.checks_npu import Check
from qcluster.network.evidence import Evidence
from qcluster.network.findings import Finding, finding, listed
from qcluster.network.survey import HostReading, Nic
from qcluster.network.topology import Endpoint
from qcluster.serving.ports import joined, reserving

REFUSED = ("lo", "docker", "virbr", "cni", "br-", "veth")
"""Interfaces whose address no other host reaches."""

SKEW = 2.0
"""Seconds."""


def unreached(evidence: Evidence) -> Iterator[Finding]:
    for host, why in evidence.unreached.items():
        yield finding("host-unreachable", hosts=[host], seen=why, why=why)


def nics(evidence: Evidence) -> Iterator[Finding]:
    """The address that peers are told must be held by an interface that they can reach."""
    for name, reading in evidence.hosts.items():
        endpoint = evidence.topology.hosts[name]
        detail = _nic_problem(endpoint, reading.nics)
        if detail:
            seen = "\n".join(f"{nic.name} {nic.address}" for nic in reading.nics)
            yield finding("nic", hosts=[name], seen=seen, detail=detail)


def _nic_problem(endpoint: Endpoint, nics: Sequence[Nic]) -> str:
    holder = next((nic for nic in nics if nic.address == endpoint.address), None)
    if not nics or not endpoint.address.replace(".", "").isdigit():
        return ""
    if holder is None:
        return f"no interface holds its address {endpoint.address}"
    if holder.name.startswith(REFUSED):
        return f"its address {endpoint.address} is on {holder.name}, which no other host reaches (HCCL_IF_IP)"
    if endpoint.nic and holder.name != endpoint.nic:
        return f"its address {endpoint.address} is on {holder.name}, but `nic` says {endpoint.nic}"
    return ""


def mtu(evidence: Evidence) -> Iterator[Finding]:
    """One MTU on the interfaces that the hosts use."""
    found: dict[int, list[str]] = defaultdict(list)
    for name, reading in evidence.hosts.items():
        address = evidence.topology.hosts[name].address
        for nic in reading.nics:
            if nic.address == address and nic.mtu:
                found[nic.mtu].append(name)
    if len(found) > 1:
        detail = ", ".join(f"{size} on {listed(hosts)}" for size, hosts in sorted(found.items()))
        yield finding("mtu", hosts=[host for hosts in found.values() for host in hosts], seen=detail, detail=detail)


def reserved(evidence: Evidence) -> Iterator[Finding]:
    """Ports of the plan that the kernel may hand to anybody else."""
    lacking: dict[str, list[str]] = defaultdict(list)
    for name, reading in evidence.hosts.items():
        uses = evidence.topology.hosts[name].reserve
        for first, last in joined((first, first + count - 1) for first, count in uses):
            if _exposed(reading, first, last):
                lacking[f"{first}-{last}" if last > first else str(first)].append(name)
    if lacking:
        hosts = list(dict.fromkeys(host for names in lacking.values() for host in names))
        ports = ",".join(lacking)
        seen = "\n".join(f"{host}: reserved {evidence.hosts[host].reserved}" for host in hosts)
        yield finding("ports-not-reserved", hosts=hosts, seen=seen, detail=ports, command=reserving(ports))


def _exposed(reading: HostReading, first: int, last: int) -> bool:
    low, high = reading.ephemeral or (1, 0)
    covered = (any(a <= port <= b for a, b in reading.reserved) for port in range(first, last + 1))
    return first <= high and last >= low and not all(covered)


def clocks(evidence: Evidence) -> Iterator[Finding]:
    """Clocks that are certainly apart, whatever the connections took."""
    told = {name: reading for name, reading in evidence.hosts.items() if reading.clock is not None}
    if len(told) < 2:
        return
    middle = sorted(reading.clock or 0.0 for reading in told.values())[(len(told) - 1) // 2]
    apart = {
        name: (reading.clock or 0.0) - middle
        for name, reading in told.items()
        if abs((reading.clock or 0.0) - middle) > SKEW + 2 * reading.clock_slack
    }
    if apart:
        detail = listed([f"{name} is {abs(by):.1f} s {'ahead' if by > 0 else 'behind'}" for name, by in apart.items()])
        yield finding("clock-skew", hosts=list(apart), seen=detail, detail=detail)


CHECKS: tuple[Check, ...] = (unreached, nics, mtu, reserved, clocks)
