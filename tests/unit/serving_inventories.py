"""Inventories from small mappings: the tests of the planner say only what differs from a plain 1P1D or single host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from qcluster.inventory import Inventory, load

PD = {"prefill": {"p1": {"ansible_host": "10.0.0.1"}}, "decode": {"d1": {"ansible_host": "10.0.0.2"}}}
SINGLE = {"standalone": {"s1": {"ansible_host": "10.0.0.1"}}}
PLAIN = {"ansible_user": "root", "hardware": "a3"}


def document(case: Mapping[str, Any]) -> dict[str, Any]:
    """`vars`: of all; `hosts`: role → host → variables; a role's name: that group's variables."""
    hosts = case.get("hosts") or (SINGLE if case.get("shape") == "single" else PD)
    children = {role: _group(members, case.get(role, {})) for role, members in hosts.items()}
    variables = {key: value for key, value in {**PLAIN, **case.get("vars", {})}.items() if value != "unset"}
    return {"all": {"vars": variables, "children": children}}


def _group(members: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    if "children" in members:
        inner = {name: {"hosts": hosts} for name, hosts in members["children"].items()}
        return {"children": inner, "vars": dict(variables)}
    return {"hosts": dict(members), "vars": dict(variables)}


def written(folder: Path, case: Mapping[str, Any]) -> Inventory:
    """The case's inventory as a file, loaded."""
    path = folder / "inventory.yaml"
    text = case.get("text") or yaml.safe_dump(document(case), sort_keys=False, width=200)
    path.write_text(text, encoding="utf-8")
    return load(path)
