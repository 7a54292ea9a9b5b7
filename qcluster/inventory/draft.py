"""An inventory while it is being read: who is in which group, and the variables written at each place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from qcluster.errors import Problem
from qcluster.schema import NOWHERE, Place

Variables = dict[str, Any]


@dataclass
class GroupDraft:
    """`written`: mappings of variables from inventory files; `beside`: those of group_vars/ beside the inventory;
    `adjacent`: those beside the playbook. In order of reading."""

    name: str
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    written: list[Variables] = field(default_factory=list)
    beside: list[Variables] = field(default_factory=list)
    adjacent: list[Variables] = field(default_factory=list)
    priority: int = 1
    where: Place = NOWHERE


@dataclass
class HostDraft:
    name: str
    written: list[Variables] = field(default_factory=list)
    beside: list[Variables] = field(default_factory=list)
    adjacent: list[Variables] = field(default_factory=list)
    where: Place = NOWHERE


@dataclass
class Draft:
    """What all files of one source say. `problems` collects every mistake."""

    hosts: dict[str, HostDraft] = field(default_factory=dict)
    groups: dict[str, GroupDraft] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.group("all").children["ungrouped"] = None
        self.group("ungrouped")

    def group(self, name: str, where: Place = NOWHERE) -> GroupDraft:
        """The group of that name; `where` counts where it is first named."""
        found = self.groups.setdefault(name, GroupDraft(name))
        found.where = found.where if found.where.line else where
        return found

    def host(self, name: str, where: Place = NOWHERE) -> HostDraft:
        """The host of that name; `where` counts where it is first named."""
        found = self.hosts.setdefault(name, HostDraft(name))
        found.where = found.where if found.where.line else where
        return found

    def note(self, where: Place, path: str, what: str, hint: str = "") -> None:
        self.problems.append(Problem(where.file, where.line, path, what, hint))

    def adopt(self, parent: str, child: str) -> bool:
        """Make `child` a child of `parent`; False where that would close a circle."""
        if parent == child or parent in self.below(child):
            return False
        self.group(parent).children[child] = None
        return True

    def below(self, name: str) -> dict[str, None]:
        """All groups under a group, nearest level first, without itself."""
        found: dict[str, None] = {}
        level = list(self.group(name).children)
        while level:
            found.update(dict.fromkeys(level))
            level = [child for parent in level for child in self.group(parent).children if child not in found]
        return found

    def settle(self) -> None:
        """Ansible's last step: what has no parent is under `all`; a host in no group is `ungrouped`."""
        adopted = {child for group in self.groups.values() for child in group.children}
        for name in self.groups:
            if name != "all" and name not in adopted:
                self.group("all").children[name] = None
        named = [group for name, group in self.groups.items() if name not in ("all", "ungrouped")]
        grouped = {host for group in named for host in group.hosts}
        ungrouped = self.group("ungrouped").hosts
        ungrouped.update(dict.fromkeys(self.hosts))
        for name in grouped:
            ungrouped.pop(name, None)

    def depths(self) -> dict[str, int]:
        """How far each group is below `all`, by the longest way."""
        found: dict[str, int] = {}
        for name, depth in self._walk("all", 0):
            found[name] = max(depth, found.get(name, 0))
        return found

    def _walk(self, name: str, depth: int) -> Iterator[tuple[str, int]]:
        yield name, depth
        for child in self.group(name).children:
            yield from self._walk(child, depth + 1)
