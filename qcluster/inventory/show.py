"""An inventory as people and machines read it: ansible-inventory's JSON and graph, and where a value comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from qcluster.inventory.model import Group, Host, Inventory, Origin
from qcluster.inventory.vault import Vaulted
from qcluster.schema import Unsafe
from qcluster.secret import Secret

PROFILE = "inventory_legacy"
_SECRET = re.compile(r"(?i)(?:^|[_-])(?:pass|password|passwd|passphrase|secret|token|api[_-]?key)(?:$|[_-])")
HIDDEN = "***"


def as_json(inventory: Inventory, hosts: tuple[str, ...] | None = None) -> dict[str, Any]:
    """What `ansible-inventory --list` prints, for these hosts (all by default). Passwords are `***`."""
    chosen = tuple(inventory.hosts) if hosts is None else hosts
    document: dict[str, Any] = {}
    for name in _reachable(inventory, "all"):
        entry = _group(inventory.groups[name], chosen)
        if entry:
            document[name] = entry
    variables = {name: plain(inventory.hosts[name].variables) for name in chosen if inventory.hosts[name].variables}
    document["_meta"] = {"hostvars": variables, "profile": PROFILE}
    return document


def _reachable(inventory: Inventory, name: str) -> Iterator[str]:
    seen: dict[str, None] = {}
    stack = [name]
    while stack:
        current = stack.pop()
        if current not in seen:
            seen[current] = None
            stack.extend(reversed(inventory.groups[current].children))
    return iter(seen)


def _group(group: Group, chosen: tuple[str, ...]) -> dict[str, list[str]]:
    hosts = [name for name in group.direct_hosts if name in chosen]
    entry = {"hosts": hosts, "children": list(group.children)}
    return {key: names for key, names in entry.items() if names}


def plain(value: Any, name: str = "") -> Any:
    """A value as JSON can hold it: vault values as written, other secrets and what is named like one as `***`."""
    if isinstance(value, Vaulted):
        return {"__ansible_vault": value.ciphertext}
    if isinstance(value, Secret) or (isinstance(value, str) and _SECRET.search(name) and "{{" not in value):
        return HIDDEN
    if isinstance(value, Unsafe):
        return {"__ansible_unsafe": str(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def graph(inventory: Inventory, start: str = "all", with_variables: bool = False) -> Iterator[str]:
    """The lines of `ansible-inventory --graph`."""
    yield from _branch(inventory, inventory.groups[start], 0, with_variables)


def _branch(inventory: Inventory, group: Group, depth: int, with_variables: bool) -> Iterator[str]:
    yield _leaf(f"@{group.name}:", depth)
    for child in group.children:
        yield from _branch(inventory, inventory.groups[child], depth + 1, with_variables)
    for host in group.direct_hosts:
        yield _leaf(host, depth + 1)
        if with_variables:
            yield from _variables(inventory.hosts[host].variables, depth + 2)
    if with_variables:
        yield from _variables(group.variables, depth + 1)


def _variables(variables: Mapping[str, Any], depth: int) -> Iterator[str]:
    shown = plain(variables)
    return (_leaf(f"{{{name} = {shown[name]}}}", depth) for name in sorted(shown))


def _leaf(text: str, depth: int) -> str:
    return "  |" * depth + f"--{text}" if depth else text


def short(value: Any, name: str = "") -> str:
    """A value on one line: JSON, a plain text without quotes."""
    shown = HIDDEN if isinstance(value, Secret) else plain(value, name)
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def origins(host: Host, name: str) -> Iterator[tuple[str, str, str]]:
    """Every place that gives a host's variable, the winner first: (value, level, place)."""
    for origin in reversed(host.origins.get(name, ())):
        yield short(origin.value, name), _level(origin), f"{origin.file}:{origin.line}" if origin.file else "-e"


def _level(origin: Origin) -> str:
    kinds = {"group_vars": "group_vars/", "host_vars": "host_vars/"}
    kind = next((kinds[part] for part in kinds if f"/{part}/" in f"/{origin.file}"), "")
    return f"{kind}{origin.level}" if origin.level not in ("host", "extra") else (kind.rstrip("/") or origin.level)
