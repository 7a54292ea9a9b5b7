"""One process's command line and environment, with the origin of each part."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcluster.errors import Problem
from qcluster.inventory.settings import origin_of
from qcluster.serving import catalogue
from qcluster.serving.connector import kv_transfer
from qcluster.serving.deployment import CONNECTED, Deployment
from qcluster.serving.hosts import weights_dir
from qcluster.serving.layers import Folded, Layer, fold, present, spelling
from qcluster.serving.placement import Placement
from qcluster.serving.situation import holds
from qcluster.serving.topology import Slot
from qcluster.templating import Templar, TemplateError

PARALLEL = {
    "tensor-parallel-size": "tp",
    "pipeline-parallel-size": "pp",
    "prefill-context-parallel-size": "pcp",
    "decode-context-parallel-size": "dcp",
}
OWNED = {
    **PARALLEL,
    "port": "port_base",
    "data-parallel-size": "dp",
    "data-parallel-rank": "dp",
    "data-parallel-start-rank": "dp",
    "data-parallel-size-local": "dp_local",
    "data-parallel-address": "ip",
    "data-parallel-rpc-port": "dp_rpc_port",
    "headless": "dp_mode",
    "nnodes": "tp",
    "node-rank": "tp",
    "master-addr": "ip",
    "master-port": "master_port",
    "served-model-name": "model",
}
"""Flags that the plan computes, and the variable to set instead."""

OWNED_ENV = {"ASCEND_RT_VISIBLE_DEVICES": "npus"}


@dataclass(frozen=True)
class Launch:
    """The flags (without `vllm serve MODEL`) and environment of one process."""

    args: Folded
    env: Folded


def rank_facts(slot: Slot) -> dict[str, Any]:
    """What templates in recipes, `vllm_args` and `vllm_env` may name."""
    settings = slot.placement.settings
    master = slot.team.master
    return {
        "role": slot.placement.role,
        "host": slot.placement.host.name,
        "inventory_hostname": slot.placement.host.name,
        "ip": settings.ip,
        "nic": settings.nic,
        "port": slot.port,
        "kv_port": slot.kv_port,
        "dp_size": slot.dp_size,
        "dp_rank": slot.dp_rank,
        "local_rank": slot.index,
        "node_rank": slot.node,
        "dp_address": master.address,
        "master_ip": master.address,
        "dp_rpc_port": master.settings.dp_rpc_port,
        "devices": list(slot.devices),
        "weights_dir": weights_dir(slot.placement),
        **{name: getattr(settings, name) for name in ("tp", "pp", "pcp", "dcp", "hardware")},
    }


@dataclass(frozen=True)
class Recommended:
    """What recipe and release give to every process of one host and role, as layers."""

    args: tuple[Layer, ...]
    env: tuple[Layer, ...]


def launches(deployment: Deployment, everyone: Sequence[Slot], problems: list[Problem]) -> list[Launch]:
    """The command line and environment of every process."""
    firsts = {slot.placement.role: slot for slot in reversed(everyone)}
    below: dict[tuple[str, str], Recommended] = {}
    found = []
    for slot in everyone:
        place = (slot.placement.host.name, slot.placement.role)
        if place not in below:
            below[place] = recommended(deployment, slot.placement)
        owned = [Layer("plan", _owned(deployment, slot)), Layer("plan", _kv(slot, firsts))]
        found.append(_launch(slot, owned, below[place], problems))
    return found


def _launch(slot: Slot, owned: Sequence[Layer], below: Recommended, problems: list[Problem]) -> Launch:
    """Fold the layers of one process: the plan's own, the recommended, the plan's connector, the inventory's."""
    templar = Templar({**slot.placement.variables, **rank_facts(slot)})
    written = [_inventory(slot.placement, name, templar, problems) for name in ("vllm_args", "vllm_env")]
    own, connector = owned
    args = fold([own, *below.args, connector, written[0]])
    if slot.kind == "headless":
        args.pop("api-server-count", None)
    return Launch(args, fold(_rendered(layer, templar) for layer in (*below.env, written[1])))


def recommended(deployment: Deployment, placement: Placement) -> Recommended:
    """The layers of recipe, preset and release shims; a shim counts where it has something to change."""
    args, env = list(_recipe_args(deployment, placement)), list(_recipe_env(deployment, placement))
    situation = deployment.situation(placement)
    for shim in catalogue.shims():
        given = {"", *present(fold(args)), *present(fold(env))}
        if holds(shim.when, situation) and shim.only_replacing in given:
            args.append(Layer(f"release shim {shim.id}", {**shim.args, **shim.merge}))
            env.append(Layer(f"release shim {shim.id}", shim.env))
    return Recommended(tuple(args), tuple(env))


def _owned(deployment: Deployment, slot: Slot) -> dict[str, Any]:
    settings = slot.placement.settings
    sizes = {flag: getattr(settings, name) for flag, name in PARALLEL.items()}
    return {
        **({} if slot.kind == "headless" else {"host": "0.0.0.0", "port": slot.port}),
        **_data_parallel(slot),
        **_nodes(slot),
        **{flag: size for flag, size in sizes.items() if size > 1 or flag == "tensor-parallel-size"},
        "served-model-name": deployment.variant.served_name,
    }


def _data_parallel(slot: Slot) -> dict[str, Any]:
    """No flag at all for size 1: vLLM refuses a rank in a group of one (parallel.py, `data_parallel_external_lb`)."""
    if slot.dp_size == 1:
        return {}
    size = {"data-parallel-size": slot.dp_size}
    if slot.kind == "internal" and len(slot.team.shares) == 1:
        return size
    master = slot.team.master
    meeting = {"data-parallel-address": master.address, "data-parallel-rpc-port": master.settings.dp_rpc_port}
    if slot.kind == "rank":
        return {**size, "data-parallel-rank": slot.start, **meeting}
    local = {**size, "data-parallel-size-local": slot.ranks, **meeting}
    return {"headless": True, "data-parallel-start-rank": slot.start, **local} if slot.kind == "headless" else local


def _nodes(slot: Slot) -> dict[str, Any]:
    """A rank over several hosts: the first answers, the others lend their NPUs (vllm/entrypoints/cli/serve.py)."""
    if slot.nodes == 1:
        return {}
    master = slot.team.master
    meeting = {"master-addr": master.address, "master-port": master.settings.master_port}
    headless = {"headless": True} if slot.node else {}
    return {**headless, "nnodes": slot.nodes, "node-rank": slot.node, **meeting}


def _recipe_args(deployment: Deployment, placement: Placement) -> Iterator[Layer]:
    recipe = deployment.recipe
    yield Layer(f"recipe {recipe.family}", {**recipe.args, **deployment.variant.args})
    if role := recipe.roles.get(placement.role):
        yield Layer(f"recipe {recipe.family}, {placement.role}", role.args)
    if preset := deployment.preset(placement):
        yield Layer(f"preset {placement.settings.preset}", preset.args)


def _recipe_env(deployment: Deployment, placement: Placement) -> Iterator[Layer]:
    base, recipe = catalogue.base(), deployment.recipe
    yield Layer("base", base["env"])
    if placement.role in CONNECTED:
        yield Layer("base, connected", base["connected_env"])
    yield Layer("base, local weights", base["downloaded_env"])
    if placement.settings.jemalloc == "auto":
        yield Layer("fact jemalloc", {"LD_PRELOAD": jemalloc(placement)})
    yield Layer(f"recipe {recipe.family}", recipe.env)
    if role := recipe.roles.get(placement.role):
        yield Layer(f"recipe {recipe.family}, {placement.role}", role.env)


def jemalloc(placement: Placement) -> str:
    """Where the engines find jemalloc: in their image, by its OS; on the host itself without a container.

    Source: Dockerfile and Dockerfile.openEuler at v0.23.0.
    """
    settings = placement.settings
    if settings.container_runtime == "host":
        return "<fact:jemalloc>"
    if settings.image_os == "auto" and not settings.image:
        return "<fact:image_jemalloc>"
    openeuler = "openeuler" in (settings.image_os, *re.split(r"\W", settings.image))
    return str(catalogue.base()["jemalloc"]["-openeuler" if openeuler else ""]).format(arch="<fact:arch>")


def _kv(slot: Slot, firsts: Mapping[str, Slot]) -> dict[str, Any]:
    config = kv_transfer(slot, firsts)
    return {"kv-transfer-config": config} if config else {}


def _inventory(placement: Placement, name: str, templar: Templar, problems: list[Problem]) -> Layer:
    origin = origin_of(placement.host, name)
    where = f"inventory {origin.file}:{origin.line}" if origin.line else "inventory"
    try:
        values = templar.render(getattr(placement.settings, name))
    except TemplateError as error:
        problems.append(placement.problem(name, error.what))
        values = {}
    spelt = {spelling(str(key)) if name == "vllm_args" else str(key): value for key, value in values.items()}
    problems.extend(_misused(placement, name, spelt))
    owned = {**OWNED, **OWNED_ENV}
    return Layer(where, {key: value for key, value in spelt.items() if key not in owned and value is not False}, False)


def _misused(placement: Placement, name: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    owned = OWNED if name == "vllm_args" else OWNED_ENV
    for key, value in values.items():
        if key in owned:
            yield placement.problem(name, f"sets {key}, which the plan computes", f"set {owned[key]} instead")
        if value is False and name == "vllm_args":
            yield placement.problem(name, f"{key}: false is not a flag", f"write no-{key}: true, or null to remove it")
        if isinstance(value, bool | list | dict) and name == "vllm_env":
            yield placement.problem(name, f"{key} is {value}, not a text", "quote it")


def _rendered(layer: Layer, templar: Templar) -> Layer:
    values = {name: value if value is None else str(templar.render(value)) for name, value in layer.values.items()}
    return Layer(layer.origin, values, layer.merges)
