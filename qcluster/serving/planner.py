"""plan = f(inventory, recipe): every process of a deployment, before any host is touched.

Mistakes are collected on the way (`problems`), so that all are told at once; the plan is made as far as it can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from qcluster.errors import InputError, Problem
from qcluster.inventory.model import Inventory
from qcluster.serving.claims import claiming
from qcluster.serving.connector import handshake_port
from qcluster.serving.deployment import Deployment, read_deployment
from qcluster.serving.digest import plan_digest, sealed_host, sealed_proxy
from qcluster.serving.hosts import (
    container_devices,
    container_name,
    hardware_name,
    host_plan,
    images,
    model_path,
    state_dir,
)
from qcluster.serving.launch import Launch, launches
from qcluster.serving.layers import Folded, present, words
from qcluster.serving.lint.check import Finding, check, errors
from qcluster.serving.lint.rule import Neighbour
from qcluster.serving.notes import notes
from qcluster.serving.plan import HostPlan, Instance, Model, Plan, ProxyPlan, fact_names
from qcluster.serving.ports import port_plan
from qcluster.serving.proxy import proxy_only, proxy_plan
from qcluster.serving.topology import Slot, by_host, slots


@dataclass(frozen=True)
class Draft:
    """A plan with what it was made from. It is as complete as the inventory allows; `problems` say what is wrong."""

    deployment: Deployment
    slots: tuple[Slot, ...]
    plan: Plan
    problems: tuple[Problem, ...] = ()


def make_plan(inventory: Inventory, lint: bool = True) -> Plan:
    """The plan of an inventory.

    Raises InputError with every problem found, each at its file and line: what cannot be planned, and (`lint`) what a
    rule of severity error refuses.
    """
    return judged(inventory, lint)[0]


def judged(inventory: Inventory, lint: bool = True, others: Sequence[Neighbour] = ()) -> tuple[Plan, list[Finding]]:
    """The plan as `make_plan` makes it, and what the rules say of it beside `others`."""
    drafted = draft(inventory)
    findings = check(drafted, others=others) if lint else []
    refused = errors(findings)
    if drafted.problems or refused:
        raise InputError(sorted({*drafted.problems, *refused}))
    return drafted.plan, findings


def draft(inventory: Inventory) -> Draft:
    """The plan and its problems. Raises InputError where there is nothing to plan at all."""
    problems: list[Problem] = []
    deployment = read_deployment(inventory, problems)
    if deployment is None:
        raise InputError(problems)
    everyone = slots(deployment, problems)
    if not everyone:
        raise InputError(sorted(set(problems)))
    plan = _assemble(deployment, everyone, problems)
    return Draft(deployment, tuple(everyone), plan, tuple(sorted(set(problems))))


def _assemble(deployment: Deployment, everyone: Sequence[Slot], problems: list[Problem]) -> Plan:
    pairs = list(zip(everyone, launches(deployment, everyone, problems), strict=True))
    own = by_host(everyone)
    instances = [_instance(deployment, slot, started, own[slot.placement.host.name]) for slot, started in pairs]
    explain = {slot.name: _origins(started) for slot, started in pairs}
    proxy = proxy_plan(deployment, instances, problems)
    sealed = sealed_proxy(deployment.name, proxy) if proxy else None
    plan = Plan(
        deployment=deployment.name,
        digest="",
        release=deployment.release,
        runtime=deployment.placements[0].settings.container_runtime,
        model=_model(deployment),
        hosts=tuple(_hosts(deployment, own, instances, proxy)),
        instances=tuple(instances),
        proxy=sealed,
        ports=port_plan(deployment.release, everyone, instances, sealed),
        notes=notes(deployment, instances, str(explain)),
        explain=explain,
    )
    return claiming(replace(plan, digest=plan_digest(plan), facts=fact_names(plan)))


def _hosts(
    deployment: Deployment, own: Mapping[str, list[Slot]], instances: Sequence[Instance], proxy: ProxyPlan | None
) -> Iterator[HostPlan]:
    """The hosts that serve, and the proxy's where it serves nothing itself; each with the digest of its own part."""
    serving = {name: [one for one in instances if one.host == name] for name in own}
    plans = [host_plan(deployment, own[name], served) for name, served in serving.items()]
    for host in (*plans, *(proxy_only(deployment, plans) if proxy else ())):
        yield sealed_host(deployment.name, host, serving.get(host.name, []))


def _model(deployment: Deployment) -> Model:
    variant = deployment.variant
    return Model(
        name=variant.name,
        weights=variant.weights,
        served_name=variant.served_name,
        moe=deployment.moe,
        hybrid=deployment.recipe.hybrid,
        path=model_path(deployment, deployment.placements[0]),
        quantization=str(variant.args.get("quantization", "")),
    )


def _instance(deployment: Deployment, slot: Slot, started: Launch, beside: Sequence[Slot]) -> Instance:
    placement, settings = slot.placement, slot.placement.settings
    tags = images(deployment, placement)
    config = started.args.get("kv-transfer-config")
    return Instance(
        name=slot.name,
        role=placement.role,
        host=placement.host.name,
        address=placement.address,
        hardware=hardware_name(placement),
        container=container_name(deployment, slot),
        image=tags[0] if tags else "",
        devices=slot.devices,
        port=slot.port,
        kv_port=handshake_port(config.value if config else None, slot.kv_port),
        dp_size=slot.dp_size,
        dp_rank=slot.dp_rank,
        tp=settings.tp or 1,
        pp=settings.pp,
        pcp=settings.pcp,
        dcp=settings.dcp,
        group=slot.team.name,
        env={**_texts(started.env), "ASCEND_RT_VISIBLE_DEVICES": _visible(slot, beside)},
        argv=("vllm", "serve", model_path(deployment, placement), *words(started.args)),
        log=f"{state_dir(deployment.name, placement)}/logs/{slot.name}.log",
    )


def _texts(env: Folded) -> dict[str, str]:
    return {name: str(chosen.value) for name, chosen in present(env).items()}


def _visible(slot: Slot, beside: Sequence[Slot]) -> str:
    """Indices into what the container maps; the host's own numbering without a container."""
    if slot.placement.settings.container_runtime == "host":
        return ",".join(map(str, slot.devices))
    mapped = container_devices(slot, beside)
    return ",".join(str(mapped.index(npu)) for npu in slot.devices)


def _origins(started: Launch) -> Mapping[str, str]:
    flags = {f"--{name}": chosen.origin for name, chosen in started.args.items()}
    return {**flags, **{name: chosen.origin for name, chosen in started.env.items()}}
