"""The plan: every process of the deployment. Nobody types the same fact twice.

Values that only a host knows stay `<fact:NAME>` texts (`<fact:nic>`, `<fact:hardware>`, `<fact:os_suffix>`,
`<fact:image_jemalloc>`) until `bind` puts the facts in. The digest covers the unbound plan.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Note:
    """A deviation from the seed document, or something the operator should know, with its reason and source."""

    id: str
    what: str
    why: str
    source: str


@dataclass(frozen=True)
class PortUse:
    """Ports `[first, first + count)` that a process will listen on. `plane` is host or npu (ports on the NPU's NIC)."""

    host: str
    first: int
    count: int
    owner: str
    purpose: str  # api dp-rpc master kv-handshake adxl hccl-host hccl-device proxy
    plane: str = "host"

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    @property
    def side(self) -> str:
        """Host and role of the process: `p1-prefill` of `p1-prefill-3`."""
        return self.owner.rpartition("-")[0]


@dataclass(frozen=True)
class Model:
    """What is served. `weights` is a hub id or an absolute path; `path` is what the engines are given."""

    name: str
    weights: str
    served_name: str
    moe: bool
    hybrid: bool
    path: str
    quantization: str = ""


@dataclass(frozen=True)
class Container:
    """One container (or, with `runtime: host`, one supervised group of processes) on one host."""

    name: str
    host: str
    image: str  # full reference; "" with runtime host
    images: tuple[str, ...]  # the same tag in every registry, in the order to try
    runtime: str  # docker | host
    devices: tuple[int, ...]  # physical NPU ids mapped in
    device_paths: tuple[str, ...]  # /dev/davinci0 … /dev/davinci_manager …
    mounts: tuple[tuple[str, str], ...]  # (host path, container path)
    shm_size: str
    labels: Mapping[str, str]
    instances: tuple[str, ...]
    image_digest: str = ""  # sha256:… that the image must have; "" where the tag is taken as it is


@dataclass(frozen=True)
class DraftModel:
    """A second model for speculative decoding (`speculative-config: {model: …}`), in a folder of its own.

    `id` is what the hub calls it, where its folder is `weights_dir/ORG/NAME`; else the folder must be there already."""

    path: str
    id: str = ""


@dataclass(frozen=True)
class HostPlan:
    """One machine's part. `digest` covers all of it: only what differs moves.

    A host that only runs the proxy has role `proxy`, no NPUs and no containers here (`Plan.proxy` says the rest)."""

    name: str
    address: str
    nic: str
    hardware: str
    npus: tuple[int, ...]
    roles: tuple[str, ...]
    state_dir: str
    weights_dir: str
    weights_shared: bool
    containers: tuple[Container, ...]
    digest: str
    drafts: tuple[DraftModel, ...] = ()


@dataclass(frozen=True)
class Instance:
    """One `vllm serve` process. `devices` are physical ids; `env["ASCEND_RT_VISIBLE_DEVICES"]` are indices into its
    container. `port` is None for a headless one; `dp_rank` None for a dense replica."""

    name: str
    role: str
    host: str
    address: str
    hardware: str
    container: str
    image: str
    devices: tuple[int, ...]
    port: int | None
    kv_port: int | None
    dp_size: int
    dp_rank: int | None
    tp: int
    pp: int
    pcp: int
    dcp: int
    group: str
    env: Mapping[str, str]
    argv: tuple[str, ...]
    log: str


@dataclass(frozen=True)
class ProxyPlan:
    """The process that clients talk to."""

    host: str
    address: str
    port: int
    kind: str  # vllm-ascend | vllm-ascend-layerwise | vllm-router
    argv: tuple[str, ...]
    image: str
    container: str
    labels: Mapping[str, str]
    log: str
    digest: str
    images: tuple[str, ...] = ()  # the same tag in every registry, in the order to try


@dataclass(frozen=True)
class Plan:
    """The whole deployment. `explain` says for `INSTANCE → FLAG or ENV` where it comes from."""

    deployment: str
    digest: str
    release: str
    runtime: str
    model: Model
    hosts: tuple[HostPlan, ...]
    instances: tuple[Instance, ...]
    proxy: ProxyPlan | None
    ports: tuple[PortUse, ...]
    notes: tuple[Note, ...]
    facts: tuple[str, ...] = ()  # names of the facts still to be bound
    explain: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def as_json(plan: Plan) -> dict[str, Any]:
    """The stable JSON form of `qcluster plan --json`: plain dicts, lists, texts and numbers."""
    return asdict(plan)


def from_json(data: Mapping[str, Any]) -> Plan:
    """A plan from its JSON form. Raises ValueError when it is not one."""
    plan = _adapter().validate_python(data)
    assert isinstance(plan, Plan)
    return plan


def made_again(data: Mapping[str, Any]) -> Plan:
    """The plan that this process put into its JSON form itself: as `from_json`, but taken at its word."""
    parts = {
        "model": Model(**data["model"]),
        "hosts": tuple(_host(one) for one in data["hosts"]),
        "instances": tuple(_frozen(Instance, one) for one in data["instances"]),
        "proxy": _frozen(ProxyPlan, data["proxy"]) if data["proxy"] else None,
        "ports": tuple(PortUse(**one) for one in data["ports"]),
        "notes": tuple(Note(**one) for one in data["notes"]),
    }
    return Plan(**{**data, **parts, "facts": tuple(data["facts"])})


def _host(data: Mapping[str, Any]) -> HostPlan:
    containers = tuple(_frozen(Container, one) for one in data["containers"])
    drafts = tuple(DraftModel(**one) for one in data["drafts"])
    return _frozen(HostPlan, {**data, "containers": containers, "drafts": drafts})


def _frozen(kind: type[T], data: Mapping[str, Any]) -> T:
    """Lists are tuples in a plan, and what is in them, too."""
    return kind(**{name: _tuples(value) for name, value in data.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list | tuple) else value


def fact_names(plan: Plan) -> tuple[str, ...]:
    """Names of the facts that the plan still lacks."""
    shown = [plan.model, plan.hosts, plan.instances, plan.proxy]
    return tuple(sorted(set(re.findall(r"<fact:([a-z_]+)>", repr(shown)))))


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Plan)
