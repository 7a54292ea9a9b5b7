"""An inventory as values. Variables are as written (Jinja not yet rendered), already merged for each host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Origin:
    """Where a value was written: file, line, and the level that won (`all`, a group, `host`, `extra`).

    `written` is a plain scalar before YAML made a number or a bool of it (`22:22`, `no`); else ''.
    """

    file: str
    line: int
    level: str
    value: Any = None
    written: str = ""


@dataclass(frozen=True)
class Host:
    """One machine. `groups` are all it belongs to, nearest first, without `all`.

    `origins[name]` lists every place that gave the variable, the winner last. `file`, `line`: where the host is
    first named.
    """

    name: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    origins: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Group:
    """A named set of hosts. `hosts` are its own and those of all its children, in inventory order; `file` and `line`:
    where it is first named."""

    name: str
    hosts: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    direct_hosts: tuple[str, ...] = ()
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Inventory:
    """All hosts and groups of one source, in the order written. `groups` holds `all` and `ungrouped` too."""

    path: str
    hosts: Mapping[str, Host]
    groups: Mapping[str, Group]
