"""One host in one role, with its variables read, converted and defaulted: a `Placement`. All mistakes are collected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from qcluster.errors import Problem
from qcluster.inventory.kinds import WrongValue
from qcluster.inventory.model import Group, Host, Inventory, Origin
from qcluster.inventory.settings import GROUPS, PER_RANK, ROLES, SETTINGS, convert, problem_at, wrong_value
from qcluster.templating import Templar, TemplateError


@dataclass(frozen=True)
class Settings:
    """The variables of `SETTINGS` that the plan reckons with, as the host has them in this role."""

    deployment: str
    model: Any
    release: str
    registries: tuple[str, ...]
    image: str
    image_os: str
    image_digest: str
    hardware: str
    npus: tuple[int, ...] | None
    ip: str
    nic: str
    dp: int | None
    dp_local: int | None
    dp_mode: str
    tp: int | None
    pp: int
    pcp: int
    dcp: int
    preset: str
    port_base: int | None
    dp_rpc_port: int
    master_port: int
    kv_port: int | None
    kv_extra: Mapping[str, Any]
    kv_pool: Mapping[str, Any]
    connector: str
    proxy_port: int
    proxy_kind: str
    weights_dir: str
    state_root: str
    weights_shared: bool
    vllm_args: Mapping[str, Any]
    vllm_env: Mapping[str, Any]
    container_runtime: str
    container_per: str
    shm_size: str
    jemalloc: str
    source_dir: str
    concurrency: int | None


@dataclass(frozen=True)
class Placement:
    """One host in one role. `cell` is the group within which DP groups are formed, in inventory order."""

    host: Host
    role: str
    cell: str
    settings: Settings
    variables: Mapping[str, Any]

    @property
    def address(self) -> str:
        """The address that other hosts reach."""
        return self.settings.ip

    def problem(self, name: str, what: str, hint: str = "") -> Problem:
        """A problem with variable `name`, at the place where it was written."""
        return problem_at(self.host, name, what, hint)


def placements(inventory: Inventory, problems: list[Problem]) -> list[Placement]:
    """Every host of every serving role, in inventory order; mistakes are added to `problems`."""
    found = []
    for role in ROLES:
        for cell, name in _cells(inventory, role):
            host = inventory.hosts[name]
            own = _role_variables(inventory, host, role)
            settings = read(host, _rendered(host, own, problems), problems)
            found.append(Placement(host, role, cell, settings, own))
    return found


def read(host: Host, variables: Mapping[str, Any], problems: list[Problem]) -> Settings:
    """Settings from rendered variables; a wrong value is reported and its default used."""
    values: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        try:
            values[name] = convert(name, variables.get(name))
        except WrongValue as error:
            problems.append(wrong_value(host, name, error))
            values[name] = setting.default
    if values["cp"] and values["pcp"] not in (None, values["cp"]):
        problems.append(
            problem_at(host, "cp", f"is {values['cp']}, but pcp is {values['pcp']}", "cp is another name of it")
        )
    values["pcp"] = values["pcp"] or values.pop("cp") or 1
    values["proxy_kind"] = values["proxy"] or values["proxy_kind"]
    values["ip"] = values["ip"] or str(variables.get("ansible_host") or host.name)
    return Settings(**{field.name: values[field.name] for field in fields(Settings)})


def _cells(inventory: Inventory, role: str) -> Iterator[tuple[str, str]]:
    """(cell, host) of a role: each child group is a cell of its own, direct hosts form another."""
    group = inventory.groups.get(role, Group(role))
    for child in group.children:
        yield from ((child, host) for host in inventory.groups[child].hosts)
    yield from ((role, host) for host in group.direct_hosts)


def _subtree(inventory: Inventory, name: str) -> set[str]:
    group = inventory.groups.get(name)
    if group is None:
        return set()
    return {name}.union(*(_subtree(inventory, child) for child in group.children))


def _role_variables(inventory: Inventory, host: Host, role: str) -> Mapping[str, Any]:
    """The host's variables as this role sees them: what only another role's group says does not count."""
    own = _subtree(inventory, role)
    foreign = set().union(*(_subtree(inventory, other) for other in GROUPS if other != role)) - own
    if not foreign.intersection(host.groups):
        return host.variables
    chosen = {name: _winner(host, name, foreign) for name in host.variables}
    return {name: origin.value for name, origin in chosen.items() if origin is not None}


def _winner(host: Host, name: str, foreign: set[str]) -> Origin | None:
    origins = host.origins.get(name)
    if not origins:
        return Origin("", 0, "", host.variables[name])
    return next((origin for origin in reversed(origins) if origin.level not in foreign), None)


def _rendered(host: Host, variables: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    later = {name: variables[name] for name in PER_RANK if name in variables}
    now = [name for name in (*SETTINGS, "ansible_host", "ansible_user", "ansible_become") if name not in later]
    return {**later, **rendered(host, variables, now, problems)}


def rendered(host: Host, variables: Mapping[str, Any], names: Iterable[str], problems: list[Problem]) -> dict[str, Any]:
    """Those of `names` that the host has, with their templates rendered; what cannot be is reported and left out."""
    templar = Templar({"inventory_hostname": host.name, **variables})
    found = {}
    for name in names:
        if name in variables:
            try:
                found[name] = templar.render(variables[name])
            except TemplateError as error:
                problems.append(problem_at(host, name, error.what))
    return found
