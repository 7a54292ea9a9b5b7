"""Binding: putting into a plan what only the hosts know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from qcluster.errors import InputError, Problem
from qcluster.serving import catalogue
from qcluster.serving.plan import Container, HostPlan, Instance, Plan, fact_names
from qcluster.serving.ports import spans_of

T = TypeVar("T")
_FACT = re.compile(r"<fact:([a-z_]+)>")


@dataclass(frozen=True)
class HostFacts:
    """What a host answered. `hardware`: a2, a3, …; `npus`: physical ids seen; `os_suffix`: of the image tag (``,
    `-openeuler`); `jemalloc`: path on the host, "" when it is not installed there (for engines without a container);
    `arch` as `uname -m`."""

    hardware: str
    nic: str
    home: str = "/root"
    is_root: bool = True
    os_suffix: str = ""
    jemalloc: str = ""
    arch: str = "aarch64"
    npus: tuple[int, ...] = ()


def bind(plan: Plan, facts: Mapping[str, HostFacts]) -> Plan:
    """The plan with the facts of each host put in. Hosts without facts stay as they are; the digest does not change.

    Raises InputError where a host is not what the inventory says, or has not the NPUs that the plan uses.
    """
    problems = [problem for host in plan.hosts if host.name in facts for problem in _mismatch(plan, host.name, facts)]
    if problems:
        raise InputError(problems)
    known = {name: _texts(one) for name, one in facts.items()}
    first = known.get(plan.instances[0].host, {})
    bound = replace(
        plan,
        model=_fill(plan.model, first),
        hosts=tuple(_equipped(host, _fill(host, known.get(host.name, {}))) for host in plan.hosts),
        instances=tuple(_without_empty(_fill(one, known.get(one.host, {}))) for one in plan.instances),
        proxy=_fill(plan.proxy, {**known.get(plan.proxy.host, {}), **_image_facts(first)}) if plan.proxy else None,
    )
    return replace(bound, facts=fact_names(bound))


def _texts(facts: HostFacts) -> dict[str, str]:
    known = catalogue.hardware().get(facts.hardware)
    return {
        "hardware": facts.hardware,
        "nic": facts.nic,
        "home": facts.home,
        "os_suffix": facts.os_suffix,
        "chip_suffix": known.suffix if known else "",
        "jemalloc": facts.jemalloc,
        "arch": facts.arch,
        "image_jemalloc": str(catalogue.base()["jemalloc"][facts.os_suffix]).format(arch=facts.arch),
    }


def _image_facts(first: Mapping[str, str]) -> dict[str, str]:
    """The proxy runs in the engines' image, wherever it runs."""
    return {name: first[name] for name in ("hardware", "chip_suffix", "os_suffix") if name in first}


def _mismatch(plan: Plan, name: str, facts: Mapping[str, HostFacts]) -> list[Problem]:
    host = next(host for host in plan.hosts if host.name == name)
    seen = facts[name]
    found: list[Problem] = []
    if not host.npus:
        return found
    if host.hardware not in ("<fact:hardware>", seen.hardware):
        found.append(Problem("", 0, name, f"the inventory says {host.hardware}, the host is {seen.hardware}"))
    missing = [npu for npu in host.npus if npu not in seen.npus] if seen.npus else []
    if missing:
        used = any(npu in one.devices for one in plan.instances if one.host == name for npu in missing)
        whose = "the plan uses NPUs" if used else "the inventory gives it also NPUs"
        hint = "lower dp or tp, and set npus" if used else "none of them is used"
        what = f"{whose} {spans_of(missing)}, the host shows {spans_of(seen.npus)}"
        found.append(Problem("", 0, name, what, f"{hint}: `npus: {spans_of(seen.npus)}`"))
    return found


def _fill(value: T, facts: Mapping[str, str]) -> T:
    """`value` with every `<fact:NAME>` that is known replaced, however deep it lies."""
    return _filled(value, facts)  # type: ignore[no-any-return]


def _filled(value: Any, facts: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _FACT.sub(lambda found: facts.get(found[1], found[0]), value) if "<fact:" in value else value
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _filled(getattr(value, one.name), facts) for one in fields(value)})
    if isinstance(value, Mapping):
        return {key: _filled(item, facts) for key, item in value.items()}
    return tuple(_filled(item, facts) for item in value) if isinstance(value, tuple) else value


def _equipped(unbound: HostPlan, host: HostPlan) -> HostPlan:
    """The host's containers with what its hardware needs beside the NPUs, once `hardware: auto` is known."""
    extra = catalogue.hardware().get(host.hardware)
    if extra is None or unbound.hardware == host.hardware:
        return host
    return replace(
        host, containers=tuple(_with(extra, one) if one.runtime == "docker" else one for one in host.containers)
    )


def _with(extra: catalogue.Hardware, container: Container) -> Container:
    mounts = dict([*container.mounts, *extra.mounts.items()])
    return replace(container, device_paths=(*container.device_paths, *extra.devices), mounts=tuple(mounts.items()))


def _without_empty(instance: Instance) -> Instance:
    """jemalloc that is not installed on the host is not preloaded there."""
    if instance.env.get("LD_PRELOAD") != "":
        return instance
    return replace(instance, env={name: value for name, value in instance.env.items() if name != "LD_PRELOAD"})
