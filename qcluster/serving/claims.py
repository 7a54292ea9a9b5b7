"""What a container's labels claim of its host, so that another deployment's `up` can see it there: ports and NPUs.

`qcluster.ports` is `api=7100-7107 kv-handshake=36000-36015 …`, `qcluster.npus` is `0-7 12`. The digest does not cover
them: they follow from what it covers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from qcluster.serving.plan import HostPlan, Plan, PortUse
from qcluster.serving.ports import spans, spans_of

PORTS, NPUS = "qcluster.ports", "qcluster.npus"

Claim = tuple[str, int, int]
"""Purpose, first and last port."""


def claiming(plan: Plan) -> Plan:
    """The plan with the claims of every container in its labels."""
    uses: dict[str, list[PortUse]] = {}
    for use in filter(_fixed, plan.ports):
        uses.setdefault(use.host, []).append(use)
    hosts = tuple(_claiming(host, uses.get(host.name, [])) for host in plan.hosts)
    proxy = plan.proxy
    if proxy:
        own = [use for use in uses[proxy.host] if use.purpose == "proxy"]
        proxy = replace(proxy, labels={**proxy.labels, **_claims(own, ())})
    return replace(plan, hosts=hosts, proxy=proxy)


def _claiming(host: HostPlan, uses: Sequence[PortUse]) -> HostPlan:
    containers = []
    for one in host.containers:
        owners = {*one.instances, "hccl"}
        claims = _claims((use for use in uses if use.owner in owners), one.devices)
        containers.append(replace(one, labels={**one.labels, **claims}))
    return replace(host, containers=tuple(containers))


def _fixed(use: PortUse) -> bool:
    return use.plane == "host" and use.purpose != "adxl"


def _claims(uses: Iterable[PortUse], npus: Iterable[int]) -> Mapping[str, str]:
    ranges: dict[str, list[tuple[int, int]]] = {}
    for use in uses:
        ranges.setdefault(use.purpose, []).append((use.first, use.last))
    ports = [f"{purpose}={span}" for purpose, found in ranges.items() for span in spans(found).split(",")]
    held = spans_of(npus).replace(",", " ")
    return {name: text for name, text in ((PORTS, " ".join(ports)), (NPUS, held)) if text}


def read_ports(text: str) -> Iterator[Claim]:
    """The claims of a `qcluster.ports` label; words that are none are passed over."""
    for word in text.split():
        purpose, _, span = word.partition("=")
        if found := _span(span):
            yield purpose, *found


def read_npus(text: str) -> set[int]:
    """The physical ids of a `qcluster.npus` label."""
    return {npu for word in text.split() if (found := _span(word)) for npu in range(found[0], found[1] + 1)}


def _span(text: str) -> tuple[int, int] | None:
    first, _, last = text.partition("-")
    return (int(first), int(last or first)) if first.isdigit() and (last or first).isdigit() else None
