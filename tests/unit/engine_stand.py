"""A playbook over scripted hosts, in a line: what ran, what was told, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qcluster import engine
from qcluster.command import Command
from qcluster.engine import RunOptions
from qcluster.events import Event, HostFinished, RunFinished
from qcluster.inventory.model import Group, Host, Inventory
from qcluster.result import Outcome, TaskResult
from qcluster.transport.scripted import ScriptedTransport


@dataclass
class Ran:
    """A run that is over."""

    exit: int
    events: list[Event]
    fleet: Mapping[str, ScriptedTransport]
    results: dict[str, list[TaskResult]] = field(default_factory=dict)

    def values(self, host: str = "h1") -> list[Mapping[str, Any]]:
        return [result.values for result in self.results[host]]

    def messages(self, host: str = "h1") -> list[Any]:
        return [values.get("msg") for values in self.values(host)]

    def statuses(self, host: str = "h1") -> list[str]:
        return [result.status.value for result in self.results.get(host, [])]

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def recap(self) -> Mapping[str, Any]:
        return self.of(RunFinished)[0].recap


def stand(*names: str, **variables: Any) -> Inventory:
    """Hosts of these names; `variables` are those of every host."""
    hosts = {name: Host(name, variables) for name in names or ("h1",)}
    everybody = tuple(hosts)
    return Inventory("", hosts, {"all": Group("all", everybody), "ungrouped": Group("ungrouped", everybody)})


def ok(command: Command) -> Outcome:
    return Outcome(command, 0)


def run(
    folder: Path,
    text: str,
    hosts: Inventory | None = None,
    answer: Callable[[Command], Outcome] = ok,
    **options: Any,
) -> Ran:
    """Run a playbook (or only its tasks, where it begins with neither play) with every command answered alike."""
    playbook = folder / "site.yml"
    playbook.write_text(text if "hosts:" in text else f"- hosts: all\n  gather_facts: false\n  tasks:\n{text}")
    hosts = hosts or stand()
    fleet = {name: ScriptedTransport(name, default=answer) for name in hosts.hosts}
    events: list[Event] = []
    options.setdefault("sleep", lambda seconds: None)
    code = engine.run(engine.load(playbook), hosts, fleet, RunOptions(**options), events.append)
    results: dict[str, list[TaskResult]] = {}
    for event in events:
        if isinstance(event, HostFinished):
            results.setdefault(event.host, []).append(event.result)
    return Ran(code, events, fleet, results)
