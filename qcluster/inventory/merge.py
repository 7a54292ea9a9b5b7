"""Ansible's precedence within an inventory: which of several values of a variable a host gets, and from where.

Files first (all < parent < child), then group_vars/ in the same order, then the host, its host_vars/, and `-e`.
Source: ansible-core 2.19, `VariableManager.get_vars` with the default VARIABLE_PRECEDENCE.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qcluster.inventory.draft import Draft
from qcluster.inventory.model import Group, Host, Inventory, Origin
from qcluster.schema import key_place, written

Layer = tuple[str, Mapping[str, Any]]


def build(path: Path, draft: Draft, extra: Mapping[str, Any]) -> Inventory:
    """The finished inventory."""
    ranks, members = _ranks(draft), _members(draft)
    hosts = {name: _host(draft, name, _groups_of(members, ranks, name), extra) for name in draft.hosts}
    groups = {name: _group(draft, name, members[name]) for name in draft.groups}
    return Inventory(str(path), hosts, groups)


def _ranks(draft: Draft) -> dict[str, tuple[int, int, str]]:
    depths = draft.depths()
    return {name: (depths.get(name, 0), group.priority, name) for name, group in draft.groups.items()}


def _members(draft: Draft) -> dict[str, dict[str, None]]:
    """Every group's hosts: its own first, then those of its children, level by level."""
    found = {}
    for name, group in draft.groups.items():
        found[name] = dict(group.hosts)
        for child in draft.below(name):
            found[name].update(draft.groups[child].hosts)
    return found


def _groups_of(members: Mapping[str, Mapping[str, None]], ranks: Mapping[str, Any], host: str) -> list[str]:
    return sorted((name for name, hosts in members.items() if host in hosts and name != "all"), key=lambda n: ranks[n])


def _host(draft: Draft, name: str, groups: list[str], extra: Mapping[str, Any]) -> Host:
    origins: dict[str, list[Origin]] = {}
    for level, layer in _layers(draft, name, groups, extra):
        for key, value in layer.items():
            where = key_place(layer, key)
            origins.setdefault(key, []).append(Origin(where.file, where.line, level, value, written(layer, key)))
    variables = {key: found[-1].value for key, found in origins.items()}
    known = {key: tuple(found) for key, found in origins.items()}
    return Host(name, variables, tuple(reversed(groups)), known, *draft.hosts[name].where)


def _layers(draft: Draft, name: str, groups: list[str], extra: Mapping[str, Any]) -> Iterator[Layer]:
    ordered = ["all", *groups]
    for group in ordered:
        yield from ((group, layer) for layer in draft.groups[group].written)
    for part in (["all"], groups):  # group_vars/all of both places, then the groups of one place, then of the other
        for kind in ("beside", "adjacent"):
            yield from ((group, layer) for group in part for layer in getattr(draft.groups[group], kind))
    host = draft.hosts[name]
    yield from (("host", layer) for layer in (*host.written, *host.beside, *host.adjacent))
    if extra:
        yield "extra", extra


def _group(draft: Draft, name: str, members: Mapping[str, None]) -> Group:
    group = draft.groups[name]
    variables: dict[str, Any] = {}
    for layer in (*group.written, *group.beside, *group.adjacent):
        variables.update(layer)
    direct = () if name == "all" else tuple(group.hosts)
    return Group(name, tuple(members), tuple(group.children), variables, direct, *group.where)
