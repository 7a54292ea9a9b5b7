"""The last lines of a run, for a person: what serves where, what is free, what was not reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qcluster.errors import was_interrupted
from qcluster.events import Event, HostFinished, RunFinished, TaskStarted
from qcluster.result import Status

if TYPE_CHECKING:
    from qcluster.serving.plan import Plan


@dataclass
class Told:
    """Listens to a run for what its end has to say. `left` are containers of others, by host; times in seconds."""

    elapsed: float = 0.0
    unreachable: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)
    left: dict[str, list[str]] = field(default_factory=dict)
    _modules: dict[str, str] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        if isinstance(event, TaskStarted):
            self._modules[event.uid] = event.module
        elif isinstance(event, RunFinished):
            self.elapsed = event.elapsed
        elif isinstance(event, HostFinished):
            self._done(event)

    def _done(self, event: HostFinished) -> None:
        module, result = self._modules.get(event.uid, ""), event.result
        if result.status is Status.UNREACHABLE and not result.ignored:
            self.unreachable.append(event.host)
        elif module == "npus_free" and result.status is Status.OK:
            self.free.append(event.host)
        elif module == "deployment_stopped" and (left := result.values.get("left")):
            self.left[event.host] = left


def last_words(plan: Plan, verb: str, told: Told, inventory: Path, code: int) -> Iterator[str]:
    """What a run of `verb` came to."""
    if verb == "down":
        yield from stopped(plan, told, inventory, code)
    elif verb in ("up", "smoke") and not code:
        yield served(plan, told)


OWN_WORDS = ("up", "scale", "bench", "eval", "supervise")
"""These say themselves how an interrupted run goes on."""


def interrupted(verb: str, code: int) -> Iterator[str]:
    """After Ctrl-C or a signal: that the run is not whole, and what becomes of what it began."""
    if was_interrupted(code) and verb not in OWN_WORDS:
        yield "interrupted: nothing more was begun; what runs on the hosts already goes on to its own end"


def served(plan: Plan, told: Told) -> str:
    """Where clients find the model."""
    ports = [f"http://{one.address}:{one.port}/v1" for one in plan.instances if one.port is not None]
    places = [f"http://{plan.proxy.address}:{plan.proxy.port}/v1"] if plan.proxy else ports
    count = f"{len(plan.instances)} instance{'s' if len(plan.instances) > 1 else ''}"
    verb = "serves" if len(places) == 1 else "serve"
    return f"{', '.join(places)} {verb} {plan.model.served_name} ({count}), {told.elapsed:.1f} s"


def stopped(plan: Plan, told: Told, inventory: Path, code: int) -> Iterator[str]:
    """What `down` leaves behind."""
    for host, names in told.left.items():
        yield f"left alone on {host}: {', '.join(names)} (not of {plan.deployment})"
    if told.unreachable:
        where = ",".join(dict.fromkeys(told.unreachable))
        yield f"not stopped on {where}, which cannot be reached; what runs there goes on and keeps its NPUs"
        yield f"  qcluster down {inventory} --limit {where}   when it answers again"
    if not code:
        npus = "NPUs free" if told.free else "NPUs not looked at"
        yield f"{plan.deployment}: stopped, {npus}, {told.elapsed:.1f} s"
