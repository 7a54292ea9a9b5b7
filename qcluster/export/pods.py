"""What a pod of a Kubernetes deployment runs: the plan's processes, with what only a pod knows left to Kubernetes.

A pod has its own address, interface and NPUs, so addresses become `$(LWS_LEADER_ADDRESS)` and the pod's IP, the
interface `eth0`, engine ids the pod's name; ranks are counted from `LWS_WORKER_INDEX`. Kubernetes replaces `$(NAME)`
in arguments. Sources: LeaderWorkerSet API v1 (labels and variables that it sets), issue 7.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qcluster.errors import InputError
from qcluster.export.wrapper import SHELL, inherits, script
from qcluster.serving.plan import Container, Instance, Plan

NPU_RESOURCE = "huawei.com/Ascend910"
LEADER, POD = "$(LWS_LEADER_ADDRESS)", "$(POD_NAME)"
INTERFACE = "eth0"
_ADDRESSES = ("HCCL_IF_IP", "VLLM_HOST_IP")
_INTERFACES = ("GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME", "HCCL_SOCKET_IFNAME")
_DROPPED = ("ASCEND_RT_VISIBLE_DEVICES",)
_MASTERS = ("--data-parallel-address", "--master-addr")
_RANKS = ("--data-parallel-rank", "--data-parallel-start-rank", "--node-rank")
START_SECONDS = 1800
"""How long an engine may take until it answers: weights and graph capture (the recipes' own limit)."""


@dataclass(frozen=True)
class Place:
    """Where a container stands: its host in the group, its position on that host, and how many are beside it.

    `first` is the instance at this position in the role's first pod: with an address of its own each pod can use the
    ports of that one.
    """

    host: int
    position: int
    beside: int
    hosts: int
    first: Instance


def pod(plan: Plan, group: Sequence[Instance], host: int, first: Sequence[Instance]) -> dict[str, Any]:
    """The spec of the pod of the group's `host`-th host; `first` are the instances of the role's first pod."""
    hosts = list(dict.fromkeys(one.host for one in group))
    own = [one for one in group if one.host == hosts[host]]
    box = _box(plan, own[0])
    volumes = list(_volumes(plan, box))
    containers = []
    for position, one in enumerate(own):
        place = Place(host, position, len(own), len(hosts), first[min(position, len(first) - 1)])
        containers.append(_container(plan, one, place, volumes))
    return {
        "containers": containers,
        "volumes": [
            {"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": _quantity(box.shm_size)}},
            *({"name": name, "hostPath": {"path": source}} for name, source, _ in volumes),
        ],
    }


def _box(plan: Plan, one: Instance) -> Container:
    boxes = (box for host in plan.hosts if host.name == one.host for box in host.containers)
    return next(box for box in boxes if box.name == one.container)


def _volumes(plan: Plan, box: Container) -> Iterator[tuple[str, str, str]]:
    """Name, host path and path inside, of the driver and the weights; what belongs to the SSH way is left out."""
    state = {host.state_dir for host in plan.hosts}
    kept = [pair for pair in box.mounts if not any(pair[0] == path or pair[0].startswith(f"{path}/") for path in state)]
    for number, (source, target) in enumerate(kept):
        yield f"host-{number}", source.rstrip("/"), target.rstrip("/")


def _quantity(size: str) -> str:
    """Docker's `16g` as Kubernetes writes it."""
    return re.sub(r"^(\d+)([kmg])b?$", lambda found: f"{found[1]}{found[2].upper()}i", size.lower()) or "16Gi"


def _container(plan: Plan, one: Instance, place: Place, volumes: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    npus = {NPU_RESOURCE: str(len(one.devices))}
    words, ranks = _words(one, place)
    made = {
        "name": label(f"{one.role}-{place.position}"),
        "image": one.image,
        "command": [SHELL, "-c", script(one.env, ranks), "engine"],
        "args": words,
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            *(
                _variable(name, value)
                for name, value in one.env.items()
                if name not in _DROPPED and not inherits(name, value)
            ),
        ],
        "envFrom": keys(plan),
        "resources": {"limits": npus, "requests": npus},
        "volumeMounts": [
            {"name": "dshm", "mountPath": "/dev/shm"},
            *({"name": name, "mountPath": target, "readOnly": True} for name, _, target in volumes),
        ],
    }
    return {**made, **_probes(place.first.port if one.port is not None else None)}


def _probes(port: int | None) -> dict[str, Any]:
    """A headless engine has no port to ask."""
    if port is None:
        return {}
    asked = {"httpGet": {"path": "/health", "port": port}, "periodSeconds": 10}
    return {
        "ports": [{"containerPort": port}],
        "startupProbe": {**asked, "failureThreshold": START_SECONDS // 10},
        "readinessProbe": {**asked, "failureThreshold": 3},
    }


def _variable(name: str, value: str) -> dict[str, Any]:
    if name in _ADDRESSES:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    return {"name": name, "value": INTERFACE if name in _INTERFACES else value}


def _words(one: Instance, place: Place) -> tuple[list[str], str]:
    """The arguments, and what the script appends to them: ranks, which differ from pod to pod."""
    words: list[str] = []
    ranks = ""
    flag = ""
    for word in one.argv:
        if flag in _RANKS and place.hosts > 1:
            words.pop()
            ranks += f' {flag} "$((LWS_WORKER_INDEX * {_step(one, flag, place)} + {_offset(one, flag, place, word)}))"'
        else:
            words.append(_word(one, flag, word, place))
        flag = word
    return words, ranks


def _step(one: Instance, flag: str, place: Place) -> int:
    """By how much the rank grows from host to host."""
    if flag == "--node-rank":
        return 1
    if flag == "--data-parallel-start-rank":
        return int(one.argv[one.argv.index("--data-parallel-size-local") + 1])
    return place.beside


def _offset(one: Instance, flag: str, place: Place, rank: str) -> int:
    return int(rank) - place.host * _step(one, flag, place)


def _word(one: Instance, flag: str, word: str, place: Place) -> str:
    if flag in _MASTERS:
        return LEADER
    if flag == "--port":
        return str(place.first.port)
    if flag == "--kv-transfer-config":
        return json.dumps(_transfer(json.loads(word), one, place), separators=(",", ":"))
    return word.replace("$(", "$$(")


def _transfer(value: Any, one: Instance, place: Place) -> Any:
    """The KV config with the pod's engine id and the first pod's ports, at any depth (a MultiConnector nests)."""
    if isinstance(value, list):
        return [_transfer(item, one, place) for item in value]
    if not isinstance(value, dict):
        return value
    own = {"engine_id": POD if place.beside == 1 else f"{POD}-{place.position}"} if "engine_id" in value else {}
    if "kv_port" in value and place.first.kv_port is not None:
        own["kv_port"] = str(place.first.kv_port)
    return {**{key: _transfer(item, one, place) for key, item in value.items()}, **own}


def keys(plan: Plan) -> list[dict[str, Any]]:
    """Secrets are not exported: a Secret of this name may hold VLLM_API_KEY, and OPENAI_API_KEY for the proxy."""
    return [{"secretRef": {"name": label(f"{plan.deployment}-keys"), "optional": True}}]


def label(name: str) -> str:
    """A name as Kubernetes wants it (DNS-1035): small letters, digits and dashes, a letter first, at most 63."""
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return (made if made[:1].isalpha() else f"q-{made}")[:63].rstrip("-")


def refuse_addresses(plan: Plan, documents: Iterable[dict[str, Any]]) -> None:
    """Raise InputError where an address of a host is left in a manifest: pods have others."""
    text = json.dumps(list(documents))
    left = [host.address for host in plan.hosts if re.search(rf"(?<![\d.]){re.escape(host.address)}(?![\d.])", text)]
    if left:
        raise InputError(
            f"export k8s: the plan names {left[0]} where no pod can be named; see the inventory's own flags"
        )
