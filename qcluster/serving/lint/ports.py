"""Rules about ports."""

from __future__ import annotations

from collections.abc import Iterator

from qcluster.serving import catalogue
from qcluster.serving.lint.rule import ERROR, INFO, WARNING, Fault, Subject, once, rule
from qcluster.serving.placement import Placement
from qcluster.serving.plan import PortUse
from qcluster.serving.ports import MOVED_BY, meeting, overlaps, reserving, spans

LAST_PORT = 65535
EPHEMERAL = (32768, 60999)
"""Linux's default `net.ipv4.ip_local_port_range`."""


def place_of(subject: Subject, use: PortUse) -> Placement:
    """Whose setting a port follows."""
    named = subject.named.get(use.owner) or subject.of_host.get(use.host) or subject.seats[0]
    return named.placement


@rule("QC301", ERROR, "no two processes share a port", "issue 5; issue #4725", "port_base: 7100 twice")
def collision(subject: Subject) -> Iterator[Fault]:
    fixed = [use for use in subject.plan.ports if use.purpose != "adxl"]
    for one, other in once(overlaps(fixed), lambda pair: tuple(map(_kind, pair))):
        what = f"{shown(one)} meets {shown(other)}"
        variable = MOVED_BY.get(other.purpose, "port_base")
        typed = one.purpose == other.purpose == "kv-handshake" and one.side == other.side
        hint = 'kv_port: "{{ kv_port }}" in kv-transfer-config' if typed else f"another {variable} for one of them"
        yield Fault(what, hint, place_of(subject, other), variable)


def _kind(use: PortUse) -> tuple[str, str, str]:
    return use.host, use.side, use.purpose


def shown(use: PortUse) -> str:
    """A port as a message names it."""
    return f"{use.owner}'s {use.purpose} port {use.first}" + (f"-{use.last}" if use.last > use.first else "")


@rule("QC302", ERROR, "ports end at 65535", "PR #12318", "kv_port: 65530")
def beyond(subject: Subject) -> Iterator[Fault]:
    for use in once((use for use in subject.plan.ports if use.last > LAST_PORT), _kind):
        what = f"{shown(use)} lies beyond {LAST_PORT}"
        yield Fault(what, "", place_of(subject, use), MOVED_BY.get(use.purpose, ""))


@rule("QC303", WARNING, "ports outside of Mooncake's own range", "PR #6455; issue #14263", "kv_port: 30000")
def adxl_range(subject: Subject) -> Iterator[Fault]:
    """kv_port stays out of what any version of Mooncake draws from, other ports out of what this one does."""
    base, row = catalogue.releases()["adxl_base"], catalogue.release_entry(subject.plan.release)
    windows: dict[str, list[PortUse]] = {}
    for use in subject.plan.ports:
        if use.purpose == "adxl":
            windows.setdefault(use.host, []).append(use)
    hit: dict[tuple[str, str], PortUse] = {}
    for use in subject.plan.ports:
        drawn = windows.get(use.host, [])
        wide = use.purpose == "kv-handshake" and base <= use.first < base + OLDER_STEP * _numbers(subject, use.host)
        if wide or (use.purpose in MOVED_BY and any(True for _ in meeting([use], drawn))):
            hit.setdefault((use.host, use.purpose), use)
    for use in hit.values():
        what = f"{shown(use)} lies where Mooncake {row.get('mooncake', '')} draws ports at random"
        hint = f"from {base}, {row['adxl_step']} an NPU here, {OLDER_STEP} in older versions"
        better = "; use 36000 on A3, 28000 on A2" if use.purpose == "kv-handshake" else ""
        yield Fault(what, hint + better, place_of(subject, use), MOVED_BY[use.purpose])


OLDER_STEP = 1000
"""Ports an NPU of Mooncake before 0.3.11 (issue #14263)."""


def _numbers(subject: Subject, name: str) -> int:
    """How far the ids of a host's NPUs go."""
    return max((npu + 1 for host in subject.plan.hosts if host.name == name for npu in host.npus), default=0)


@rule("QC304", INFO, "ports in the ephemeral range are reserved", "issue #16237", "kv_port: 36000")
def ephemeral(subject: Subject) -> Iterator[Fault]:
    """One text and one remedy for all hosts: what only some of them use does no harm on the others."""
    inside = [use for use in subject.plan.ports if _exposed(use)]
    ports = spans((use.first, use.last) for use in inside)
    what = f"ports {ports} lie in the range that Linux gives to outgoing connections"
    for placement in {use.host: place_of(subject, use) for use in reversed(inside)}.values():
        yield Fault(what, f"reserve them on each of these hosts\n{reserving(ports)}", placement, "kv_port")


def _exposed(use: PortUse) -> bool:
    low, high = EPHEMERAL
    return use.plane == "host" and use.purpose != "adxl" and low <= use.last and use.first <= high


@rule("QC305", WARNING, "the proxy's port is not privileged", "issue 5", "proxy_port: 80")
def privileged(subject: Subject) -> Iterator[Fault]:
    proxy = subject.plan.proxy
    if proxy and proxy.port < 1024:
        what = f"proxy_port {proxy.port} needs root in the container"
        yield Fault(what, "use 1024 or more", subject.firsts[0].placement, "proxy_port")
