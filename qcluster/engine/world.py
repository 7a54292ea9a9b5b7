"""What all hosts of a run share: the inventory, what has been learned, the connections, and where events go."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qcluster import __version__
from qcluster.engine.options import RunOptions
from qcluster.engine.tally import Tallies
from qcluster.engine.variables import HostMemory, Rendered, View
from qcluster.events import Emit
from qcluster.inventory.model import Host, Inventory
from qcluster.playbook.model import Playbook
from qcluster.templating import OMIT
from qcluster.transport.base import Transport

_NO_HOST = Host("")


class HostVars(Mapping[str, Any]):
    """`hostvars`: every host's variables, rendered when they are read."""

    def __init__(self, world: World):
        self._world = world

    def __getitem__(self, name: str) -> Rendered:
        if name not in self._world.inventory.hosts:
            raise KeyError(name)
        return Rendered(self._world.view_of(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._world.inventory.hosts)

    def __len__(self) -> int:
        return len(self._world.inventory.hosts)

    def __repr__(self) -> str:
        return f"<hostvars: {', '.join(self)}>"


class World:
    """One run of one playbook. Only the main thread changes it."""

    def __init__(
        self,
        playbook: Playbook,
        inventory: Inventory,
        fleet: Mapping[str, Transport],
        options: RunOptions,
        emit: Emit,
    ):
        self.playbook, self.inventory, self.fleet = playbook, inventory, fleet
        self.options, self.emit, self.clock = options, emit, options.clock
        self.memory = {name: HostMemory(options.facts.get(name, {})) for name in inventory.hosts}
        self.tallies = Tallies(inventory.hosts)
        self.failed: set[str] = set()
        self.unreachable: set[str] = set()
        self.lost: dict[str, str] = {}
        """Why each host of `unreachable` is one, with what helps."""
        self.fatal: dict[str, int] = {}
        self.stepping = options.step
        self.start_at = options.start_at_task
        self.shared = self._shared_magic()
        self._magic = {name: self._host_magic(host) for name, host in inventory.hosts.items()}

    def recall(self, host: str) -> HostMemory:
        """What is known of a host; hosts outside the inventory (an implicit localhost) begin with nothing."""
        return self.memory.setdefault(host, HostMemory({}))

    def magic(self, host: str) -> Mapping[str, Any]:
        return self._magic.get(host) or self._host_magic(Host(host))

    def view_of(self, host: str) -> View:
        """A host's variables outside any play, as `hostvars` and delegation see them."""
        memory, known = self.recall(host), self.inventory.hosts.get(host, _NO_HOST)
        return View(self.magic(host), self.options.extra_vars, memory.registered, memory.facts, known.variables)

    def _shared_magic(self) -> dict[str, Any]:
        options, source = self.options, Path(self.inventory.path).resolve() if self.inventory.path else Path()
        return {
            "hostvars": HostVars(self),
            "groups": groups_of(self.inventory),
            "omit": OMIT,
            "inventory_file": str(source),
            "inventory_dir": str(source if source.is_dir() else source.parent),
            "ansible_inventory_sources": [str(source)],
            "ansible_check_mode": options.check,
            "ansible_diff_mode": options.diff,
            "ansible_verbosity": options.verbosity,
            **({"ansible_limit": options.limit} if options.limit else {}),
            "ansible_run_tags": list(options.tags) or ["all"],
            "ansible_skip_tags": list(options.skip_tags),
            "ansible_forks": options.forks or len(self.inventory.hosts),
            "ansible_version": _version(),
            "ansible_playbook_python": sys.executable,
            "qcluster_version": __version__,
        }

    def _host_magic(self, host: Host) -> dict[str, Any]:
        return {
            **self.shared,
            "inventory_hostname": host.name,
            "inventory_hostname_short": host.name.split(".")[0],
            "group_names": sorted(host.groups),
        }


def groups_of(inventory: Inventory) -> dict[str, list[str]]:
    """The magic variable `groups`."""
    return {name: list(group.hosts) for name, group in inventory.groups.items()}


def _version() -> dict[str, Any]:
    """The version of the language: that of the ansible-core whose meaning is followed."""
    return {"full": "2.19.0", "string": "2.19.0", "major": 2, "minor": 19, "revision": 0}
