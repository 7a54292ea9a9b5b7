"""What must be equal, or different, between NPUs and hosts. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from qcluster.facts import hccn
from qcluster.facts.npu import Board, SuperPod
from qcluster.network.checks_npu import Check
from qcluster.network.evidence import HCCS, Evidence
from qcluster.network.findings import Finding, Npu, finding, listed, places


def _grouped(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for value, holder in pairs:
        groups[value].append(holder)
    return groups


def _odd_ones(groups: Mapping[Any, list[Any]]) -> list[Any]:
    """Who deviates: all but the largest group; everybody where no group is the largest."""
    sizes = sorted((len(holders) for holders in groups.values()), reverse=True)
    common = max(groups.values(), key=len) if sizes[0] > sizes[1] else None
    return [holder for holders in groups.values() if holders is not common for holder in holders]


def tls(evidence: Evidence) -> Iterator[Finding]:
    """TLS must be on everywhere or off everywhere, across hosts too."""
    groups = _grouped([(reading.on, npu) for npu, reading in evidence.values("tls", hccn.Tls)])
    if len(groups) < 2:
        return
    odd = _odd_ones(groups)
    state = {True: "on", False: "off"}
    detail = ", ".join(f"{state[on]} at {places(npus)}" for on, npus in sorted(groups.items(), reverse=True))
    wanted = 0 if len(odd) == evidence.total else int(not next(on for on, npus in groups.items() if odd[0] in npus))
    hosts = {npu.host for npu in odd}
    ids = " ".join(str(n) for n in sorted({npu.npu for npu in odd if npu.host == min(hosts)}))
    seen = "\n".join(f"{npus[0]}: tls switch[{int(on)}]" for on, npus in groups.items())
    yield finding("tls-mismatch", odd, seen=seen, detail=detail, wanted=wanted, ids=ids)


def superpod(evidence: Evidence) -> Iterator[Finding]:
    """A3 over HCCS: one super-pod, every die its own SDID, every host its own server index."""
    read = {
        Npu(host, npu): pod
        for host, readings in evidence.npus.items()
        for npu, pod in readings.pods.items()
        if isinstance(pod, SuperPod)
    }
    if evidence.fabric != HCCS or not read:
        return
    pods = _grouped([(pod.pod, npu) for npu, pod in read.items()])
    if len(pods) > 1:
        detail = ", ".join(f"Super Pod ID {pod} at {_hosts(npus)}" for pod, npus in sorted(pods.items()))
        yield finding("superpod-mismatch", _odd_ones(pods), seen=detail, detail=detail)
    for name, groups in _identities(read):
        for value, npus in groups.items():
            if len(npus) > 1:
                detail = f"{name} {value} is given twice, to {places(npus)}"
                yield finding("superpod-mismatch", npus, seen=detail, detail=detail)


def _identities(read: Mapping[Npu, SuperPod]) -> Iterator[tuple[str, dict[Any, list[Npu]]]]:
    yield "SDID", _grouped([(pod.sdid, npu) for npu, pod in read.items()])
    firsts = {(npu.host, pod.pod, pod.server): npu for npu, pod in reversed(list(read.items()))}
    yield "Server Index", _grouped([((pod, server), npu) for (_, pod, server), npu in firsts.items()])


def _hosts(npus: Sequence[Npu]) -> str:
    return listed(tuple(dict.fromkeys(npu.host for npu in npus)))


def duplicates(evidence: Evidence) -> Iterator[Finding]:
    """One address on two NPUs."""
    shared: dict[str, list[Npu]] = {}
    for query, kind in (("ip", hccn.Ip), ("vnic", hccn.Vnic)):
        readings = evidence.values(query, kind)
        for address, npus in _grouped([(reading.address, npu) for npu, reading in readings]).items():
            if address and len(npus) > 1:
                shared[address] = npus
    if shared:
        told = [f"{address} at {places(npus)}" for address, npus in shared.items()]
        npus = [npu for group in shared.values() for npu in group]
        yield finding("duplicate-address", npus, seen="\n".join(told), detail=listed(told, 3))


def subnets(evidence: Evidence) -> Iterator[Finding]:
    """Netmasks equal everywhere; each gateway inside its NPU's own subnet."""
    ips = dict(evidence.values("ip", hccn.Ip))
    masks = _grouped([(ip.netmask, npu) for npu, ip in ips.items()])
    if len(masks) > 1:
        detail = ", ".join(f"netmask {mask} at {places(npus)}" for mask, npus in masks.items())
        yield finding("netmask-differs", _odd_ones(masks), seen=detail, detail=detail)
    outside = {
        npu: gate.address
        for npu, gate in evidence.values("gateway", hccn.Gateway)
        if npu in ips and not _inside(gate.address, ips[npu])
    }
    if outside:
        npu, gate = next(iter(outside.items()))
        detail = f"gateway {gate} is outside the subnet of {npu} ({ips[npu].address}/{ips[npu].netmask})"
        yield finding("netmask-differs", list(outside), seen=detail, detail=detail)


def _inside(gateway: str, ip: hccn.Ip) -> bool:
    return IPv4Network(f"{gateway}/32").subnet_of(IPv4Network(f"{ip.address}/{ip.netmask}", strict=False))


def versions(evidence: Evidence) -> Iterator[Finding]:
    """One driver and one firmware on all hosts."""
    drivers = _grouped([(r.driver, h) for h, r in evidence.hosts.items() if r.driver and isinstance(r.driver, str)])
    firmware = _grouped(list(dict.fromkeys(
        (board.firmware, host) for host, readings in evidence.npus.items() for board in readings.boards.values()
        if isinstance(board, Board) and board.firmware not in ("", "NA")
    )))  # fmt: skip
    for id_, groups in (("driver-mismatch", drivers), ("firmware-mismatch", firmware)):
        if len(groups) > 1:
            detail = ", ".join(f"{version} on {listed(hosts)}" for version, hosts in sorted(groups.items()))
            yield finding(id_, hosts=_odd_ones(groups), seen=detail, detail=detail)


def hardware(evidence: Evidence) -> Iterator[Finding]:
    """No mix of A2 and A3, and each host what the plan says."""
    kinds = _grouped([(evidence.hardware(h), h) for h in evidence.npu_hosts if evidence.hardware(h)])
    if len(kinds) > 1:
        detail = ", ".join(f"{kind.upper()} on {listed(hosts)}" for kind, hosts in sorted(kinds.items()))
        yield finding("hardware-mix", hosts=_odd_ones(kinds), seen=detail, detail=detail)
    for host in evidence.npu_hosts:
        planned, found = evidence.topology.hosts[host].hardware, evidence.hardware(host)
        if planned and found and planned != found:
            detail = f"the plan says {planned.upper()}, its NPUs say {found.upper()}"
            yield finding("hardware-differs", hosts=[host], seen=found, detail=detail)


CHECKS: tuple[Check, ...] = (hardware, tls, superpod, duplicates, subnets, versions)
