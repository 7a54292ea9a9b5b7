"""What is wrong with single NPUs: links, addresses, health, /etc/hccn.conf, and answers that are none. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from qcluster.facts import hccn
from qcluster.facts.hccn import Trouble
from qcluster.facts.npu import Npu as Chip
from qcluster.facts.npu import NpuTable
from qcluster.network.evidence import HCCS, Evidence
from qcluster.network.findings import Finding, Npu, Verdict, finding, listed, places
from qcluster.serving.ports import spans_of
from qcluster.spelling import counted

Check = Callable[[Evidence], Iterator[Finding]]


def tools(evidence: Evidence) -> Iterator[Finding]:
    """Tools that are not there at all."""
    for tool in ("hccn_tool", "npu-smi"):
        lacking = [h for h in evidence.npu_hosts if h in evidence.hosts and not _has(evidence, h, tool)]
        if lacking:
            yield finding("tool-missing", hosts=lacking, seen=f"{tool}: not found", tool=tool)


def _has(evidence: Evidence, host: str, tool: str) -> bool:
    reading = evidence.hosts[host]
    return bool(reading.tools.get(tool)) or not reading.complete


def troubles(evidence: Evidence) -> Iterator[Finding]:
    """Answers that are none, by cause; each cause once, with its first words."""
    found: dict[str, list[tuple[Npu | None, str, str, Trouble]]] = defaultdict(list)
    for host, npu, query, trouble in _unread(evidence):
        found[trouble.cause].append((npu, host, query, trouble))
    for cause, cases in found.items():
        npus = [npu for npu, *_ in cases if npu]
        _, host, query, trouble = cases[0]
        what = f"{counted(len(cases), 'answer')}, first `{query}` on {host}"
        words: dict[str, Any] = {
            "what": what,
            "tool": query.split()[0],
            "query": query.split()[-1],
            "limit": f"{evidence.limit:g}",
        }
        yield finding(cause, npus, [case[1] for case in cases], trouble.seen, **words)


def _unread(evidence: Evidence) -> Iterator[tuple[str, Npu | None, str, Trouble]]:
    for host, reading in evidence.hosts.items():
        if host in evidence.npu_hosts:
            named = (("npu-smi info", reading.table), ("cat version.info", reading.driver))
            for query, value in (*named, ("cat /etc/hccn.conf", reading.conf)):
                missing = query.startswith("npu-smi") and not _has(evidence, host, "npu-smi")
                if (trouble := _trouble(value)) and not missing:
                    yield host, None, query, trouble
    for query in hccn.QUERIES:
        for npu, value in evidence.each(query):
            if (trouble := _trouble(value)) and _has(evidence, npu.host, "hccn_tool"):
                yield npu.host, npu, f"hccn_tool -i {npu.npu} -{query} -g", trouble
    yield from _unread_cards(evidence)


def _unread_cards(evidence: Evidence) -> Iterator[tuple[str, Npu | None, str, Trouble]]:
    for host, readings in evidence.npus.items():
        for npu, value in readings.pods.items():
            if trouble := _trouble(value):
                yield host, Npu(host, npu), "npu-smi info -t spod-info", trouble
        for board in readings.boards.values():
            if trouble := _trouble(board):
                yield host, None, "npu-smi info -t board", trouble


def _trouble(value: Any) -> Trouble | None:
    """What a reading says of why there is no value, where a finding is made of that."""
    return value if isinstance(value, Trouble) and value.cause in CAUSES else None


CAUSES = ("tool-busy", "permission", "timeout", "tool-missing", "truncated", "unparsed")


def links(evidence: Evidence) -> Iterator[Finding]:
    """Blocker on A2; on A3 an advisory while the NPU's own hccs probes pass."""
    down = [npu for npu, link in evidence.values("link", hccn.Link) if not link.up]
    seen = "link status: DOWN"
    yield from _by_fabric(evidence, down, "link-down", total=evidence.total, seen=seen)
    dark = [npu for npu, light in evidence.values("optical", hccn.Optical) if not light.present]
    if dark:
        yield finding("no-optic", dark, seen="Optical module is not present.", total=evidence.total)
    alone = [npu for npu, peer in evidence.values("lldp", hccn.Lldp) if not peer.ifname and npu not in down]
    if alone:
        yield finding("no-neighbour", alone, seen="(no Ifname)", total=evidence.total)


def health(evidence: Evidence) -> Iterator[Finding]:
    """Where a link is down, bad health is its consequence and not told again."""
    down = {npu for npu, link in evidence.values("link", hccn.Link) if not link.up}
    readings = evidence.values("net_health", hccn.NetHealth)
    bad = {npu: value.status for npu, value in readings if value.status != "Success" and npu not in down}
    words = listed(sorted(set(bad.values())))
    yield from _by_fabric(
        evidence, list(bad), "net-health", total=evidence.total, detail=words, seen=f"net health status: {words}"
    )


def sick(evidence: Evidence) -> Iterator[Finding]:
    """What npu-smi says of the NPUs themselves, one finding a word and host: each names its first card and chip."""
    found: dict[tuple[str, str], list[Chip]] = defaultdict(list)
    for host in evidence.npu_hosts:
        table = evidence.hosts[host].table if host in evidence.hosts else None
        chosen = set(evidence.chosen(host))
        for one in table.npus if isinstance(table, NpuTable) else ():
            if one.physical_id in chosen and one.health != "OK":
                found[host, one.health].append(one)
    for (host, word), bad in found.items():
        id_ = "npu-health-warning" if word == "Warning" else "npu-health"
        words: dict[str, Any] = {"detail": f"health {word}", "card": bad[0].npu_id, "chip": bad[0].chip_id}
        yield finding(id_, [Npu(host, one.physical_id) for one in bad], seen=f"Health: {word}", **words)


def _by_fabric(evidence: Evidence, npus: list[Npu], id_: str, **words: Any) -> Iterator[Finding]:
    harmless = [npu for npu in npus if evidence.fabric == HCCS and npu not in evidence.silent]
    serious = [npu for npu in npus if npu not in harmless]
    if serious:
        yield finding(id_, serious, **words)
    if harmless:
        yield finding(f"{id_}-a3", harmless, **words)


def addresses(evidence: Evidence) -> Iterator[Finding]:
    """Addresses that are not set: RoCE's matter on A2, the vnic's on A3."""
    over_hccs = evidence.fabric == HCCS
    without = _unset(evidence, "ip")
    if without:
        verdict = Verdict.ADVISORY if over_hccs else None
        seen = "Get ipconf failed, because no ip was preset there!"
        yield finding("address-missing", without, verdict=verdict, seen=seen, total=evidence.total)
    bare = [npu for npu, value in evidence.values("vnic", hccn.Vnic) if not value.address or not value.up]
    bare += _unset(evidence, "vnic", "unsupported")
    if bare and over_hccs:
        yield finding("vnic-missing", sorted(bare), seen="vnic link status: DOWN", total=evidence.total)
    gateless = [npu for npu in _unset(evidence, "gateway") if npu not in without]
    if gateless:
        yield finding("gateway-missing", gateless, seen="no gateway was preset there", total=evidence.total)


def _unset(evidence: Evidence, query: str, *more: str) -> list[Npu]:
    causes = ("unset", *more)
    return [npu for npu, value in evidence.values(query, Trouble) if value.cause in causes]


def conf_missing(evidence: Evidence) -> Iterator[Finding]:
    """No /etc/hccn.conf, or one without some NPU's address."""
    absent, lacking = [], []
    for host in evidence.npu_hosts:
        conf = evidence.hosts[host].conf if host in evidence.hosts else None
        if isinstance(conf, dict) and not conf:
            absent.append(host)
        elif isinstance(conf, dict):
            lacking += [Npu(host, npu) for npu in evidence.chosen(host) if "address" not in conf.get(npu, {})]
    if absent:
        yield _conf(absent, [], f"does not exist on {listed(absent)}", evidence)
    if lacking:
        yield _conf([], lacking, f"has no address for {places(lacking)}", evidence)


def _conf(hosts: list[str], npus: list[Npu], detail: str, evidence: Evidence) -> Finding:
    first = (hosts or [npus[0].host])[0]
    ids = " ".join(map(str, evidence.chosen(first) if hosts else [npu.npu for npu in npus if npu.host == first]))
    return finding("hccn-conf-missing", npus, hosts, f"/etc/hccn.conf {detail}", detail=detail, ids=ids)


_CONF_KEYS = {"address": ("ip", "address"), "netmask": ("ip", "netmask"), "gateway": ("gateway", "address")}


def conf_stale(evidence: Evidence) -> Iterator[Finding]:
    """/etc/hccn.conf against the device, key by key."""
    yield from _differing(evidence, _CONF_KEYS, "hccn-conf-stale")
    yield from _differing(evidence, {"netdetect": ("netdetect", "address")}, "hccn-conf-netdetect")


def _differing(evidence: Evidence, keys: dict[str, tuple[str, str]], id_: str) -> Iterator[Finding]:
    found: dict[Npu, list[str]] = defaultdict(list)
    for npu in evidence.all_npus():
        conf = evidence.hosts[npu.host].conf if npu.host in evidence.hosts else {}
        written = conf.get(npu.npu, {}) if isinstance(conf, dict) else {}
        for key, (query, name) in keys.items():
            device = getattr(evidence.npus[npu.host].get(npu.npu, query), name, "") if npu.host in evidence.npus else ""
            if key in written and device and written[key] != device:
                found[npu].append(f"{key}_{npu.npu}={written[key]} but the device has {device}")
    if found:
        first = next(iter(found))
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        detail = f"{first} ({'; '.join(found[first])}){more}"
        seen = "\n".join(f"{npu.host}: {line}" for npu, lines in found.items() for line in lines)
        yield finding(id_, list(found), seen=seen, total=evidence.total, detail=detail)


def planned_npus(evidence: Evidence) -> Iterator[Finding]:
    """The plan names NPUs that the host does not have."""
    for host in evidence.npu_hosts:
        table = evidence.hosts[host].table if host in evidence.hosts else None
        absent = [npu for npu in evidence.topology.hosts[host].npus if isinstance(table, NpuTable)
                  and npu not in table.by_physical]  # fmt: skip
        if absent:
            detail = f"it has no NPU {spans_of(absent)}"
            yield finding("hardware-differs", [Npu(host, npu) for npu in absent], detail=detail, seen="npu-smi info")


CHECKS: tuple[Check, ...] = (
    tools, troubles, planned_npus, sick, links, health, addresses, conf_missing, conf_stale,
)  # fmt: skip
