"""Who will talk to whom: hosts, NPUs, directed host pairs, and the TCP ports each host will listen on. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Any

from qcluster.serving.ports import HCCL_HOST

TESTED = ("api", "dp-rpc", "kv-handshake", "proxy", "hccl-host")
"""Purposes of the plan's ports that other hosts connect to."""


Pair = tuple[str, str]


@dataclass(frozen=True)
class Endpoint:
    """One host as the check sees it. `hardware`, `nic` and `npus` may be empty: then the host is asked.

    `reserve` are ports that the plan needs out of the ephemeral range, as (first, count)."""

    name: str
    address: str
    hardware: str = ""
    nic: str = ""
    npus: tuple[int, ...] = ()
    ports: Mapping[int, str] = field(default_factory=dict)
    reserve: tuple[tuple[int, int], ...] = ()
    image: str = ""


@dataclass(frozen=True)
class Topology:
    """`pairs` talk over the NPU fabric; `talks` (those and more) over TCP. All directed."""

    hosts: Mapping[str, Endpoint]
    pairs: tuple[Pair, ...]
    talks: tuple[Pair, ...]

    def within(self, names: Iterable[str]) -> Topology:
        """The part that lies among `names`."""
        chosen = set(names)
        inside = [tuple(p for p in pairs if chosen.issuperset(p)) for pairs in (self.pairs, self.talks)]
        return Topology({name: host for name, host in self.hosts.items() if name in chosen}, *inside)


def without_plan(variables: Mapping[str, Mapping[str, Any]]) -> Topology:
    """Every host talks to every host; HCCL's ports stand for the others. `variables` by host."""
    hosts = {name: _plain_host(name, words) for name, words in variables.items()}
    pairs = tuple(permutations(hosts, 2))
    return Topology(hosts, pairs, pairs)


def _plain_host(name: str, words: Mapping[str, Any]) -> Endpoint:
    npus = words.get("npus", ())
    ids = tuple(range(npus)) if isinstance(npus, int) else tuple(int(npu) for npu in npus or ())
    hardware = _known(words.get("hardware", "")).replace("auto", "")
    address = str(words.get("ip") or words.get("ansible_host") or name)
    first, count = HCCL_HOST
    ports = dict.fromkeys(range(first, first + count), "hccl-host")
    return Endpoint(name, address, hardware, _known(words.get("nic", "")), ids, ports, (HCCL_HOST,))


def from_plan(plan: Mapping[str, Any], variables: Mapping[str, Mapping[str, Any]]) -> Topology:
    """Only what will talk: prefill with decode both ways, the hosts of one DP group among themselves, and the proxy
    with every engine. `plan` is the plan's JSON form; an `ip` in a host's variables wins over the plan's address."""
    hosts = {host["name"]: _planned_host(host, plan, variables) for host in plan["hosts"]}
    proxy = plan.get("proxy")
    if proxy and proxy["host"] not in hosts:
        name = proxy["host"]
        address = str(variables.get(name, {}).get("ip") or proxy["address"])
        hosts[name] = Endpoint(name, address, "none", ports={proxy["port"]: "proxy"})
    pairs = _npu_pairs(plan["instances"])
    talks = [*pairs, *_proxy_pairs(proxy, plan["instances"])]
    return Topology(hosts, pairs, tuple(dict.fromkeys(talks)))


def _planned_host(host: Mapping[str, Any], plan: Mapping[str, Any], variables: Mapping[str, Any]) -> Endpoint:
    name = host["name"]
    uses = [use for use in plan["ports"] if use["host"] == name and use["purpose"] in TESTED]
    ports = {use["first"] + step: use["purpose"] for use in uses for step in range(use["count"])}
    images = [container["image"] for container in host["containers"] if container["image"]]
    return Endpoint(
        name=name,
        address=str(variables.get(name, {}).get("ip") or host["address"]),
        hardware=_known(host["hardware"]).replace("auto", ""),
        nic=_known(host["nic"]),
        npus=tuple(host["npus"]),
        ports=ports,
        reserve=tuple((use["first"], use["count"]) for use in uses if use["purpose"] in ("kv-handshake", "hccl-host")),
        image=_known(images[0]) if images else "",
    )


def _known(text: Any) -> str:
    """A text without facts still to be bound; those are asked from the host."""
    return "" if "<fact:" in str(text) else str(text or "")


def _npu_pairs(instances: Sequence[Mapping[str, Any]]) -> tuple[Pair, ...]:
    roles: dict[str, list[str]] = defaultdict(list)
    groups: dict[str, list[str]] = defaultdict(list)
    for instance in instances:
        roles[instance["role"]].append(instance["host"])
        if instance["dp_size"] > 1:
            groups[instance["group"]].append(instance["host"])
    met = list(product(dict.fromkeys(roles["prefill"]), dict.fromkeys(roles["decode"])))
    both_ways = [pair for one, other in met for pair in ((one, other), (other, one))]
    inside = [pair for hosts in groups.values() for pair in permutations(dict.fromkeys(hosts), 2)]
    return tuple(dict.fromkeys(pair for pair in [*both_ways, *inside] if pair[0] != pair[1]))


def _proxy_pairs(proxy: Mapping[str, Any] | None, instances: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """The proxy calls every engine, and every host may be a client of the proxy."""
    if not proxy:
        return []
    others = [name for name in dict.fromkeys(item["host"] for item in instances) if name != proxy["host"]]
    return [pair for name in others for pair in ((proxy["host"], name), (name, proxy["host"]))]
