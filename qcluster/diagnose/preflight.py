"""Is a host fit for its part of the plan? Pure: facts and plan in, findings out. Source: issue 6, Preflight."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qcluster.diagnose.ports_in_use import in_use
from qcluster.serving import catalogue
from qcluster.serving.claims import Claim, read_npus, read_ports
from qcluster.serving.ports import reserving, spans
from qcluster.serving.situation import holds
from qcluster.spelling import counted

GIB = 1024 * 1024
ENGINE_MEMORY = 2 * GIB
"""Free KiB of host memory wanted for an engine, apart from its weights."""
CLOCK_SKEW = 30.0
"""Seconds from which a clock counts as wrong."""
LISTENED = ("api", "dp-rpc", "master", "kv-handshake", "proxy", "hccl-host")
"""Purposes whose ports are fixed: they must be free, and must not be handed out meanwhile."""

Facts = Mapping[str, Any]
Part = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """`level` is `error` (the host cannot serve its part) or `warning`."""

    level: str
    id: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}" if self.remedy else self.what


@dataclass(frozen=True)
class Question:
    """One host's part of the plan (`HostPlan` as JSON), its instances and its planned ports, and its facts."""

    host: Part
    instances: Sequence[Part]
    ports: Sequence[Part]
    facts: Facts
    deployment: str
    release: str = ""
    proxy: Part = field(default_factory=dict)
    """The proxy, where it runs on this host."""

    @property
    def native(self) -> bool:
        return any(box["runtime"] == "host" for box in self.host["containers"])

    @property
    def dockered(self) -> bool:
        """Whether anything here runs in a container."""
        return bool(self.proxy.get("image") or self.host["containers"]) and not self.native

    @property
    def planned(self) -> set[str]:
        """Names of this host's containers."""
        names = {box["name"] for box in self.host["containers"]}
        return {*names, self.proxy["container"]} if self.proxy else names

    @property
    def ours(self) -> bool:
        """Whether this deployment's engines run here already: its NPUs and ports are then its own."""
        return bool({box["name"] for box in self.host["containers"]} & self._mine)

    @property
    def proxies(self) -> bool:
        """Whether this deployment's proxy runs here already."""
        return self.proxy.get("container") in self._mine

    @property
    def neighbours(self) -> Mapping[str, Sequence[Part]]:
        """Other deployments that run here, with their containers."""
        running = [c for c in self.facts["containers"] if c["state"] == "running"]
        names = sorted({c["deployment"] for c in running} - {"", self.deployment})
        return {name: [c for c in running if c["deployment"] == name] for name in names}

    @property
    def _mine(self) -> set[str]:
        found = (c for c in self.facts["containers"] if c["state"] == "running")
        return {c["name"] for c in found if c["deployment"] == self.deployment}


def judge(question: Question) -> tuple[Finding, ...]:
    """Everything that stands in the way, errors first."""
    checks = (
        _docker, _hardware, _npus, _busy, _health, _ports, _reserved, _memory, _driver, _driver_needs, _cann,
        _clock, _hccn, _foreign, _others,
    )  # fmt: skip
    found = [finding for check in checks for finding in check(question)]
    return tuple(sorted(found, key=lambda finding: finding.level != "error"))


def _error(id: str, what: str, remedy: str = "") -> Finding:
    return Finding("error", id, what, remedy)


def _docker(q: Question) -> Iterator[Finding]:
    if not q.dockered:
        return
    if not q.facts["docker"]:
        why = (q.facts["docker_problem"] or "no answer").strip().splitlines()[-1]
        yield _error(
            "docker", f"docker does not answer ({why})", "start it (systemctl start docker) or let the user use it"
        )


def _hardware(q: Question) -> Iterator[Finding]:
    planned, seen = q.host["hardware"], q.facts["hardware"]
    if planned.startswith("<fact:") or not q.host["npus"]:
        return
    if seen and seen != planned:
        yield _error("hardware", f"the plan says {planned}, the chip is {seen}", f"set `hardware: {seen}` or `auto`")
    if not seen and q.facts["npu_problem"]:
        why = q.facts["npu_problem"].strip().splitlines()[-1]
        yield _error("npu-smi", f"npu-smi shows no NPU ({why})", "install the driver, or put npu-smi on PATH")


def _npus(q: Question) -> Iterator[Finding]:
    wanted = set(q.host["npus"])
    missing = sorted(wanted - set(q.facts["npus"])) if q.facts["npus"] else []
    absent = sorted(wanted - set(q.facts["davinci"])) if q.facts["davinci"] else []
    if missing:
        yield _error("npus", f"no NPU {_list(missing)} (seen: {_list(q.facts['npus'])})", "correct `npus`")
    elif absent:
        yield _error("davinci", f"no device file /dev/davinci for NPU {_list(absent)}", "correct `npus`, or the driver")


def _busy(q: Question) -> Iterator[Finding]:
    if q.ours:
        return
    claimed = _npus_of(c for claims in q.neighbours.values() for c in claims)
    for npu in q.host["npus"]:
        why = q.facts["busy"].get(str(npu))
        if why and npu not in claimed:  # else `_others` says whose it is
            yield _error("busy", why, "stop what uses it (`qcluster doctor` names the process)")


def _health(q: Question) -> Iterator[Finding]:
    for npu in q.host["npus"]:
        word = q.facts["unhealthy"].get(str(npu))
        if word:
            # what serves already is not stopped for it, but it is told
            level = "warning" if word == "Warning" or q.ours else "error"
            card = q.facts.get("cards", {}).get(str(npu), f"-i {npu}")  # on A3 a card has two chips
            yield Finding(level, "health", f"NPU {npu} reports health {word}", f"npu-smi info -t health {card}")


def _ports(q: Question) -> Iterator[Finding]:
    claimed = [claim for claims in q.neighbours.values() for claim in _ports_of(claims)]
    fixed = [claim for claim in claimed if claim[0] != "hccl-host"]  # those `_others` refuses
    known = {port for _, first, last in fixed for port in range(first, last + 1)}
    taken = {(address, port) for address, port in q.facts["listening"] if port not in known}
    wanted = [use for use in _host_ports(q) if not (q.proxies if use["purpose"] == "proxy" else q.ours)]
    for what, remedy in in_use(wanted, q.host["address"], taken, q.facts.get("holders", ())):
        yield _error("port", what, remedy)


def _reserved(q: Question) -> Iterator[Finding]:
    low, high = q.facts["ephemeral"]
    exposed = [use for use in _host_ports(q) if use["first"] + use["count"] - 1 >= low and use["first"] <= high]
    free = [use for use in exposed if not _covered(use, q.facts["reserved"])]
    if free:
        wanted = [(use["first"], use["first"] + use["count"] - 1) for use in free]
        what = f"the kernel may hand out planned ports ({spans(wanted)}) to other programs"
        yield Finding("warning", "reserved-ports", what, reserving(spans(wanted)))


def _covered(use: Part, reserved: Iterable[Sequence[int]]) -> bool:
    last = use["first"] + use["count"] - 1
    return any(first <= use["first"] and last <= end for first, end in reserved)


def _host_ports(q: Question) -> Iterator[Part]:
    return (use for use in q.ports if use["plane"] == "host" and use["purpose"] in LISTENED)


def _memory(q: Question) -> Iterator[Finding]:
    free, wanted = q.facts.get("memory_available_kib", 0), ENGINE_MEMORY * len(q.instances)
    if free and free < wanted and not q.ours:
        engines = counted(len(q.instances), "engine")
        what = f"{free // GIB} GiB of memory are free, {wanted // GIB} or more are wanted for {engines}"
        yield Finding("warning", "memory", what, "end what else runs here: weights pass through the page cache")


def _driver(q: Question) -> Iterator[Finding]:
    """The driver must be at least what the release's CANN was built against (vllm-ascend#5468)."""
    wanted = catalogue.oldest_driver(q.release)
    have = q.facts.get("driver", "")
    if wanted and have and _numbers(have) < _numbers(wanted):
        what = f"driver {have} is older than {wanted}, which {q.release} is made for"
        yield Finding("warning", "driver", what, "upgrade it if engines fail with EI or EL codes (vllm-ascend#5468)")


def _cann(q: Question) -> Iterator[Finding]:
    """An image brings its CANN; without one the host must have it (vllm-ascend's installation.md)."""
    wanted, have = str(catalogue.release_entry(q.release).get("cann", "")), q.facts.get("cann", "")
    if q.native and not have.startswith(wanted):
        what = f"CANN {have} is installed, {q.release} is made for {wanted}" if have else f"no CANN {wanted} is there"
        yield Finding("warning", "cann", what, "install it under /usr/local/Ascend, or choose the release that it fits")


def _driver_needs(q: Question) -> Iterator[Finding]:
    """Variables that an older driver does not understand."""
    have = q.facts.get("driver", "")
    situation = {"release": q.release, "hardware": q.host["hardware"]}
    for need in catalogue.releases()["driver_needs"]:
        asked = [one["name"] for one in q.instances if one["env"].get(need["env"], "0") not in ("", "0")]
        if asked and have and holds(need["when"], situation) and _numbers(have) < _numbers(need["driver"]):
            what = f"driver {have} is too old for {need['env']} ({asked[0]}): it needs {need['driver']}"
            yield Finding("warning", "driver-feature", what, f"upgrade the driver, or {need['env']}: null in vllm_env")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _clock(q: Question) -> Iterator[Finding]:
    skew = float(q.facts.get("clock_skew", 0.0))
    if abs(skew) > CLOCK_SKEW:
        what = f"the clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the controller's"
        yield Finding("warning", "clock", what, "set it (chronyd), or logs of several hosts cannot be compared")


def _others(q: Question) -> Iterator[Finding]:
    """Other deployments of this host, by what their containers claim; one that claims nothing is only named."""
    level = "warning" if q.ours or q.proxies else "error"
    for name, claims in q.neighbours.items():
        if not _npus_of(claims) and not _ports_of(claims):
            yield Finding(
                "warning", "others", f"the deployment {name} runs here too", "its NPUs and ports must be others"
            )
        if shared := sorted(_npus_of(claims) & set(q.host["npus"])):
            what = f"NPU {_list(shared)} belongs to the deployment {name}, which runs here"
            yield Finding(level, "claimed-npus", what, f"give this one other `npus`, or stop {name} (qcluster down)")
        for claim in _ports_of(claims):
            met = [use for use in _host_ports(q) if use["first"] <= claim[2] and claim[1] < use["first"] + use["count"]]
            for use in {use["purpose"]: use for use in reversed(met)}.values():
                yield _taken(level, name, claim, use)


def _npus_of(claims: Iterable[Part]) -> set[int]:
    return {npu for c in claims for npu in read_npus(c.get("npus", ""))}


def _ports_of(claims: Iterable[Part]) -> list[Claim]:
    return list(dict.fromkeys(claim for c in claims for claim in read_ports(c.get("ports", ""))))


def _taken(level: str, name: str, claim: Claim, use: Part) -> Finding:
    purpose, first, last = claim
    span = f"port {first}" if first == last else f"ports {first}-{last}"
    what = f"{span} of the deployment {name} ({purpose}) cannot be {use['purpose']} of {use['owner']} too"
    if purpose == use["purpose"] == "hccl-host":  # HCCL's default, which the processes of a host share anyhow
        what = f"{span}, HCCL's, are also those of the deployment {name}"
        return Finding("warning", "claimed-port", what, "HCCL_IF_BASE_PORT in the vllm_env of one of them")
    return Finding(level, "claimed-port", what, f"another port_base, kv_port or proxy_port, or stop {name}")


def _hccn(q: Question) -> Iterator[Finding]:
    if q.host["npus"] and not q.facts["hccn"] and len({use["host"] for use in q.ports}) >= 1 and _transfers(q):
        what = "/etc/hccn.conf is missing: KV transfer would give wrong text with HTTP 200"
        yield _error("hccn", what, "write it with hccn_tool -i N -ip -s address … netmask … (issue vllm-ascend#7711)")


def _transfers(q: Question) -> bool:
    return any(instance["role"] in ("prefill", "decode") for instance in q.instances)


def _foreign(q: Question) -> Iterator[Finding]:
    for container in q.facts["containers"]:
        if container["name"] in q.planned and container["deployment"] != q.deployment:
            what = f"a container called {container['name']} exists that this deployment did not start"
            yield _error("foreign", what, f"docker rm -f {container['name']}, or another `deployment` name")


def _list(values: Iterable[int]) -> str:
    return ", ".join(str(value) for value in values)
