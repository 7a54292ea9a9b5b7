"""Rules about environment variables and flags that an inventory writes."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator

from qcluster.serving import catalogue
from qcluster.serving.lint.rule import ERROR, INFO, WARNING, Fault, Seat, Subject, rule
from qcluster.spelling import counted

_LOCAL = re.compile(r"^(127\.|0\.0\.0\.0|172\.17\.|localhost)")
"""Addresses that lead nowhere from outside: loopback, any, docker's bridge."""
UNSET = {
    "HCCL_BUFFSIZE": "200",  # MB; HCCL documentation
    "HCCL_CONNECT_TIMEOUT": "120",  # seconds; HCCL documentation
    "VLLM_ENGINE_READY_TIMEOUT_S": "600",  # vllm/envs.py at v0.23.0
    "VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT": "480",  # seconds; mooncake_connector.py at v0.23.0
    "LD_LIBRARY_PATH": "$LD_LIBRARY_PATH",  # the image's own
}
"""What holds where nobody sets a variable, and who says so."""


def _env(seat: Seat, name: str) -> str:
    return seat.instance.env.get(name, UNSET[name])


@rule("QC501", WARNING, "addresses that others reach", "issue #1955", "HCCL_IF_IP: 127.0.0.1")
def own_address(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts if len(subject.plan.hosts) > 1 else ():
        for name in ("HCCL_IF_IP", "VLLM_HOST_IP"):
            if _LOCAL.match(seat.instance.env.get(name, "")):
                what = f"{name} is {seat.instance.env[name]}, which other hosts cannot reach"
                yield Fault(what, "leave it to the plan, or set ip", seat.placement, _whose(seat, name, "ip"))


def _whose(seat: Seat, name: str, otherwise: str) -> str:
    return "vllm_env" if name in seat.placement.settings.vllm_env else otherwise


@rule("QC502", WARNING, "no web proxy for engines", "issue #10226", "http_proxy: http://…")
def web_proxy(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        for name, value in seat.instance.env.items():
            if name.lower() in ("http_proxy", "https_proxy", "all_proxy") and value:
                what = f"{name} sends the engines' own traffic to a web proxy"
                yield Fault(what, "remove it", seat.placement, "vllm_env")


@rule("QC503", WARNING, "HCCL buffers for PD", "issue #16835", "HCCL_BUFFSIZE: 200")
def buffer(subject: Subject) -> Iterator[Fault]:
    for seat in subject.connected:
        size = _env(seat, "HCCL_BUFFSIZE")
        if subject.deployment.recipe.seed and (not size.isdigit() or int(size) < 512):
            what = f"HCCL_BUFFSIZE is {size} MB"
            yield Fault(what, "PD of this model uses 1024", seat.placement, "vllm_env")


@rule("QC504", WARNING, "time to load", "PR #7098", "VLLM_ENGINE_READY_TIMEOUT_S: 600")
def patience(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        limit = _env(seat, "VLLM_ENGINE_READY_TIMEOUT_S")
        if not limit.isdigit() or int(limit) < 1800:
            what = f"engines that need more than {limit} s to load are ended"
            yield Fault(what, "VLLM_ENGINE_READY_TIMEOUT_S of 1800 or more", seat.placement, "vllm_env")


@rule("QC505", ERROR, "no blocking launch with graphs", "platform.py", "ASCEND_LAUNCH_BLOCKING: 1")
def blocking_launch(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if seat.instance.env.get("ASCEND_LAUNCH_BLOCKING") == "1" and "enforce-eager" not in seat.flags:
            what = "ASCEND_LAUNCH_BLOCKING=1 is incompatible with graphs"
            yield Fault(what, "remove it, or enforce-eager: true", seat.placement, "vllm_env")


@rule("QC506", WARNING, "no ASCEND_BUFFER_POOL", "release notes v0.23.0", "ASCEND_BUFFER_POOL: 4:8")
def buffer_pool(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if "ASCEND_BUFFER_POOL" in seat.instance.env and subject.since("v0.23.0rc1"):
            hint = "HCCL_INTRA_ROCE_ENABLE=1 on A2, ASCEND_ENABLE_USE_FABRIC_MEM=1 on A3"
            yield Fault("ASCEND_BUFFER_POOL was removed in v0.23.0", hint, seat.placement, "vllm_env")


@rule("QC507", WARNING, "FlashComm1 by release", "release notes v0.23.0", "VLLM_ASCEND_…FLASHCOMM1: 1")
def flashcomm(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        asked = "VLLM_ASCEND_ENABLE_FLASHCOMM1" in seat.instance.env
        if asked and subject.since("v0.23.0rc1"):
            hint = "additional-config: {enable_flashcomm1: true}; later releases drop it"
            yield Fault("VLLM_ASCEND_ENABLE_FLASHCOMM1 is superseded", hint, seat.placement, "vllm_env")


@rule("QC508", INFO, "async scheduling by release", "the page on main", "async-scheduling: true")
def async_flag(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if "async-scheduling" in seat.flags and subject.since("v0.23.0rc1"):
            yield Fault("async-scheduling is the default", "leave it out", seat.placement, "vllm_args")


@rule("QC509", WARNING, "weights come once", "issue vllm-project/vllm#13962", "VLLM_USE_MODELSCOPE: true")
def hub(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if "VLLM_USE_MODELSCOPE" in seat.instance.env:
            what = "VLLM_USE_MODELSCOPE is set, but a local folder is served"
            yield Fault(what, "remove it: weights are downloaded once", seat.placement, "vllm_env")


@rule("QC510", WARNING, "Mooncake's library is found", "issue #6949", "LD_LIBRARY_PATH: /opt/lib")
def library_path(subject: Subject) -> Iterator[Fault]:
    for seat in subject.connected:
        path = seat.instance.env.get("LD_LIBRARY_PATH", "")
        if "/usr/local/lib" not in path.split(":") and seat.placement.settings.container_runtime == "docker":
            what = "LD_LIBRARY_PATH lacks /usr/local/lib, where ascend_transport.so is"
            yield Fault(what, "add /usr/local/lib:$LD_LIBRARY_PATH", seat.placement, "vllm_env")


@rule("QC511", ERROR, "CANN's libraries stay", "Dockerfile at v0.23.0", "LD_LIBRARY_PATH: /opt/lib")
def lost_path(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        path = _env(seat, "LD_LIBRARY_PATH")
        if "$LD_LIBRARY_PATH" not in path and "${LD_LIBRARY_PATH" not in path:
            what = "LD_LIBRARY_PATH replaces the image's own, CANN's libraries are lost"
            yield Fault(what, "end it with :$LD_LIBRARY_PATH", seat.placement, "vllm_env")


@rule("QC512", WARNING, "IPv4", "issue #4161; issue #10226", "ip: fd00::1")
def ipv6(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if ":" in seat.instance.address or "MC_USE_IPV6" in seat.instance.env:
            yield Fault("KV transfer and proxy are proven on IPv4 only", "use an IPv4 ip", seat.placement, "ip")


@rule("QC225", WARNING, "time to fetch KV", "mooncake_connector.py", "VLLM_MOONCAKE_ABORT…: 10")
def generous_transfer(subject: Subject) -> Iterator[Fault]:
    for seat in subject.of("prefill"):
        limit = _env(seat, "VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT")
        if limit.isdigit() and int(limit) < 60:
            what = f"prefill frees KV that was not fetched within {limit} s"
            hint = "VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT of 480"
            yield Fault(what, hint, seat.placement, "vllm_env")


@rule("QC513", WARNING, "HCCL's connect timeout", "HCCL documentation", "HCCL_CONNECT_TIMEOUT: 5")
def connect_timeout(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        limit = _env(seat, "HCCL_CONNECT_TIMEOUT")
        if not limit.isdigit() or not 120 <= int(limit) <= 7200:
            yield Fault(f"HCCL_CONNECT_TIMEOUT is {limit}", "120 to 7200 s", seat.placement, "vllm_env")


@rule("QC514", WARNING, "ip is a number", "HCCL documentation", "ansible_host: p1.local")
def named_address(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if seat.placement.variables.get("ansible_connection") == "lab":
            continue  # it gets its address when it boots
        try:
            ipaddress.ip_address(seat.instance.address)
        except ValueError:
            named = seat.instance.address == seat.instance.host
            what = "no address is given" if named else f"the address is {seat.instance.address!r}"
            what += ", and HCCL_IF_IP wants a number"
            yield Fault(what, "set ip: the address that the other hosts reach", seat.placement, "ip")


@rule("QC515", ERROR, "every host has its address", "issue 5", "ansible_host: 10.0.0.1 twice")
def same_address(subject: Subject) -> Iterator[Fault]:
    known: dict[str, str] = {}
    for host in subject.plan.hosts:
        other = known.setdefault(host.address, host.name)
        if other != host.name:
            serving = {one.host.name: one for one in subject.deployment.placements}
            what = f"{host.name} and {other} have the address {host.address}"
            yield Fault(what, "", serving.get(host.name) or serving[other], "ansible_host")


@rule("QC516", WARNING, "a NIC that leads out", "issue #1955", "nic: lo")
def wrong_nic(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        nic = seat.placement.settings.nic
        if nic in ("lo", "docker0") and len(subject.plan.hosts) > 1:
            yield Fault(f"{nic} does not lead to other hosts", "leave nic to the facts", seat.placement, "nic")


_ASCEND = re.compile(r"w\d+a\d+", re.IGNORECASE)
_QUANTIZED = re.compile(r"w\d+a\d+|fp8|int\d", re.IGNORECASE)
"""What a hub id says of its quantization: Ascend's own (`w8a8`), or any."""


@rule("QC517", WARNING, "quantized weights are told so", "seed, section 5.1", "quantization: null")
def quantized_weights(subject: Subject) -> Iterator[Fault]:
    model = subject.plan.model
    for seat in subject.firsts:
        if _ASCEND.search(model.weights) and "quantization" not in seat.flags:
            what = f"{model.weights} is quantized, but --quantization is missing"
            yield Fault(what, "quantization: ascend", seat.placement, "vllm_args")


@rule("QC518", WARNING, "plain weights are not quantized", "seed, section 5.1", "quantization: ascend")
def plain_weights(subject: Subject) -> Iterator[Fault]:
    model = subject.plan.model
    for seat in subject.firsts:
        plain = model.weights.startswith("Qwen/") and not _QUANTIZED.search(model.weights)
        if plain and seat.flags.get("quantization") == "ascend":
            what = f"{model.weights} is not quantized, but --quantization ascend is set"
            yield Fault(what, "quantization: null, or the w8a8 model", seat.placement, "vllm_args")


@rule("QC519", WARNING, "experts are spread", "large_scale_ep.md", "shape: moe")
def experts(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        ranks = seat.instance.dp_size * seat.instance.tp
        if subject.plan.model.moe and ranks > 1 and "enable-expert-parallel" not in seat.flags:
            what = "a MoE group without --enable-expert-parallel holds every expert in each rank"
            yield Fault(what, "enable-expert-parallel: true", seat.placement, "vllm_args")


@rule("QC520", WARNING, "dense models have no experts", "vLLM", "enable-expert-parallel: true")
def dense_experts(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if not subject.plan.model.moe and "enable-expert-parallel" in seat.flags:
            yield Fault("a dense model has no experts", "remove it", seat.placement, "vllm_args")


@rule("QC521", WARNING, "shared memory", "issue #3513", "shm_size: 64m")
def shared_memory(subject: Subject) -> Iterator[Fault]:
    units = {"k": 1e-6, "m": 1e-3, "g": 1.0, "t": 1e3}
    inside = Counter((seat.instance.host, seat.instance.container) for seat in subject.seats)
    for seat in subject.firsts:
        size = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgt])b?", seat.placement.settings.shm_size.lower())
        engines = inside[seat.instance.host, seat.instance.container]
        if not size:
            yield Fault(
                f"shm_size {seat.placement.settings.shm_size!r} is no size", "such as 16g", seat.placement, "shm_size"
            )
        elif float(size[1]) * units[size[2]] < engines:
            what = f"/dev/shm of {size[0]} for {counted(engines, 'engine')}"
            yield Fault(what, "1g a tensor-parallel group, 16g by default", seat.placement, "shm_size")


@rule("QC522", ERROR, "one container for a MoE group", "issue 5", "container_per: engine")
def engine_containers(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if subject.plan.model.moe and seat.placement.settings.container_per == "engine":
            what = "ranks of a MoE group share one container a host"
            yield Fault(what, "container_per: host", seat.placement, "container_per")


@rule("QC523", INFO, "source installation", "installation.md", "container_runtime: host")
def host_runtime(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        if seat.placement.settings.container_runtime == "host":
            row = catalogue.release_entry(subject.plan.release)
            what = (
                f"container_runtime: host needs CANN {row.get('cann', '?')} and Python {row.get('python', '?')} there"
            )
            yield Fault(what, "qcluster up looks for CANN, pip for Python", seat.placement, "container_runtime")
