"""All ports that a deployment uses on each host, with their owners.

| purpose      | first port                         | how many    | who listens                                        |
|--------------|------------------------------------|-------------|----------------------------------------------------|
| api          | port_base + number of the process  | 1           | `vllm serve`                                       |
| dp-rpc       | dp_rpc_port                        | 1           | rank 0 of a DP group (vllm/config/parallel.py)     |
| master       | master_port                        | 1           | the first host of a rank over several              |
| kv-handshake | kv_port + rank · tp·pp·pcp         | tp·pp·pcp   | each DP rank of prefill (mooncake_connector.py)    |
| adxl         | 20000 + NPU · step of the release  | step        | Mooncake, at one of them by chance (issue #14263)  |
| hccl-host    | HCCL_IF_BASE_PORT, 60000           | 32          | HCCL, once a host (issue #4725)                    |
| hccl-device  | 16666 on the NPU's own NIC         | 1           | HCCL, each process                                 |
| proxy        | proxy_port                         | 1           | the proxy                                          |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from qcluster.serving import catalogue
from qcluster.serving.plan import Instance, PortUse, ProxyPlan
from qcluster.serving.topology import Slot

MOVED_BY = {
    "api": "port_base",
    "kv-handshake": "kv_port",
    "dp-rpc": "dp_rpc_port",
    "master": "master_port",
    "proxy": "proxy_port",
}
"""Purpose of a port → the variable that moves it. Mooncake's and HCCL's follow the environment."""
HCCL_HOST = (60000, 32)
"""HCCL's host ports (`HCCL_IF_BASE_PORT`) and how many it may take."""
HCCL_DEVICE = 16666
"""HCCL's port on each NPU's own NIC."""


def port_plan(
    release: str, everyone: Sequence[Slot], instances: Sequence[Instance], proxy: ProxyPlan | None
) -> tuple[PortUse, ...]:
    """Every port of every process, host by host."""
    uses = [
        use for slot, instance in zip(everyone, instances, strict=True) for use in _of_instance(release, slot, instance)
    ]
    uses += _hccl(instances)
    if proxy:
        uses.append(PortUse(proxy.host, proxy.port, 1, "proxy", "proxy"))
    return tuple(sorted(uses, key=lambda use: (use.host, use.plane, use.first, use.owner)))


def _of_instance(release: str, slot: Slot, instance: Instance) -> Iterator[PortUse]:
    host, owner = instance.host, instance.name
    if instance.port is not None:
        yield PortUse(host, instance.port, 1, owner, "api")
    if slot.dp_size > 1 and slot.start == 0 and (slot.kind == "rank" or len(slot.team.shares) > 1):
        yield PortUse(host, slot.placement.settings.dp_rpc_port, 1, owner, "dp-rpc")
    if slot.nodes > 1 and slot.node == 0:
        yield PortUse(host, slot.placement.settings.master_port, 1, owner, "master")
    if instance.kv_port is not None:  # decode listens there only with the layerwise connector; it is kept free anyway
        first = instance.kv_port + (slot.start * slot.stride if slot.kind != "replica" else 0) + slot.node * slot.stride
        yield PortUse(host, first, slot.ranks * slot.stride, owner, "kv-handshake")
    if instance.kv_port is not None:
        yield from _adxl(release, instance)


def _adxl(release: str, instance: Instance) -> Iterator[PortUse]:
    """Mooncake's Ascend transport: a random port in a window of each NPU (issue #14263)."""
    base = _number(instance.env.get("ASCEND_BASE_PORT"), catalogue.releases()["adxl_base"])
    step = catalogue.release_entry(release)["adxl_step"]
    for npu in sorted(instance.devices):
        yield PortUse(instance.host, base + npu * step, step, instance.name, "adxl")


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdigit() else otherwise


def _hccl(instances: Sequence[Instance]) -> Iterator[PortUse]:
    """HCCL's ports: on the host a range for each base port in use, on the NPU's own NIC one for each process."""
    first, count = HCCL_HOST
    used = {(one.host, _number(one.env.get("HCCL_IF_BASE_PORT"), first)) for one in instances}
    for host, base in sorted(used):
        yield PortUse(host, base, count, "hccl", "hccl-host")
    for instance in instances:
        yield PortUse(instance.host, HCCL_DEVICE, 1, instance.name, "hccl-device", "npu")


def overlaps(uses: Iterable[PortUse]) -> Iterator[tuple[PortUse, PortUse]]:
    """Pairs of different owners on one host whose ports meet. NPU ports do not meet: each die has its own NIC."""
    ordered = sorted((use for use in uses if use.plane == "host"), key=lambda use: (use.host, use.first))
    for position, one in enumerate(ordered):
        for other in ordered[position + 1 :]:
            if other.host != one.host or other.first >= one.first + one.count:
                break
            if other.owner != one.owner or other.purpose != one.purpose:
                yield one, other


def meeting(some: Iterable[PortUse], others: Iterable[PortUse]) -> Iterator[tuple[PortUse, PortUse]]:
    """Pairs of one machine's ports, one of each deployment, that meet. Two random windows are not worth a word."""
    theirs = [use for use in others if use.plane == "host"]
    for one in some:
        for other in theirs:
            both_random = one.purpose == other.purpose == "adxl"
            if one.plane == "host" and not both_random and one.first <= other.last and other.first <= one.last:
                yield one, other


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """(first, last) pairs sorted, those that touch made one."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            first, last = merged[-1][0], max(merged.pop()[1], last)
        merged.append((first, last))
    return merged


def spans(ranges: Iterable[tuple[int, int]]) -> str:
    """`7100-7107,12321` for (first, last) pairs, as the kernel writes port lists."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in joined(ranges))


def spans_of(numbers: Iterable[int]) -> str:
    """`0-3,7` for 3 0 1 2 7."""
    return spans((number, number) for number in numbers)


def reserving(ports: str) -> str:
    """The command that keeps `ports` (as `spans` writes them) from being handed out, now and after a reboot.

    It adds them to what the host reserves already: the kernel takes a whole list. The file is the last one read.
    """
    setting, file = "net.ipv4.ip_local_reserved_ports", "/etc/sysctl.d/zz-qcluster.conf"
    had = f"$(cat /proc/sys/{setting.replace('.', '/')})"
    return f'echo "{setting}={had},{ports}" | sed s/=,/=/ | sudo tee {file} && sudo sysctl -p {file}'
