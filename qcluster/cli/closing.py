"""The last lines of a run, for a person: what serves where, what is free, what was not reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qcluster.errors import was_interrupted
from qcluster.events import Event, HostFinished, RunFinished, TaskStarted
from qcluster.result import Status
from qcluster.spelling import counted

if TYPE_CHECKING:
    from qcluster.serving.plan import Plan


@dataclass
class Told:
    """Listens to a run for what its end has to say. `left` are containers of others, by host; times in seconds.

    `elapsed` begins with what the operator has waited for before the run, and ends with it.
    """

    elapsed: float = 0.0
    changed: bool = False
    proven: bool = False
    asked: set[str] = field(default_factory=set)
    unreachable: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)
    left: dict[str, list[str]] = field(default_factory=dict)
    _modules: dict[str, str] = field(default_factory=dict)

    @property
    def tasks(self) -> int:
        """How many began."""
        return len(self._modules)

    def __call__(self, event: Event) -> None:
        if isinstance(event, TaskStarted):
            self._modules[event.uid] = event.module
        elif isinstance(event, RunFinished):
            self.elapsed += event.elapsed
        elif isinstance(event, HostFinished):
            self._done(event)

    def _done(self, event: HostFinished) -> None:
        module, result = self._modules.get(event.uid, ""), event.result
        self.changed |= result.status is Status.CHANGED
        self.proven |= module == "smoke" and result.status in (Status.OK, Status.CHANGED)
        self.asked.add(event.host)
        if result.status is Status.UNREACHABLE and not result.ignored:
            self.unreachable.append(event.host)
        elif module == "npus_free" and result.status is Status.OK:
            self.free.append(event.host)
        elif module == "deployment_stopped" and (left := result.values.get("left")):
            self.left[event.host] = left


UNPROVEN = "not proven: no task of this run asked the service, {elapsed:.1f} s; `qcluster smoke {inventory}` does"


def last_words(plan: Plan, verb: str, told: Told, inventory: Path, code: int) -> Iterator[str]:
    """What a run of `verb` came to."""
    if verb == "down":
        yield from stopped(plan, told, inventory, code)
    elif verb in ("up", "smoke") and not code and not told.proven:
        yield UNPROVEN.format(elapsed=told.elapsed, inventory=inventory)
    elif verb in ("up", "smoke", "scale") and not code and told.proven:
        calm = "nothing changed; " if verb == "up" and not told.changed else ""
        yield f"{calm}{served(plan, told)}"
    elif verb == "smoke" and told.unreachable:
        yield partly(plan, told)


def unchosen(told: Told, tags: Iterable[str], skip_tags: Iterable[str], code: int) -> Iterator[str]:
    """Where the tags left nothing to do: most often one is misspelt."""
    asked = [*(f"--tags {tag}" for tag in tags), *(f"--skip-tags {tag}" for tag in skip_tags)]
    if asked and not told.tasks and not code:
        yield f"no task was chosen by {' '.join(asked)}; --list-tags names those that there are"


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
    count = counted(len(plan.instances), "instance")
    verb = "serves" if len(places) == 1 else "serve"
    return f"{', '.join(places)} {verb} {plan.model.served_name} ({count}), {told.elapsed:.1f} s"


def partly(plan: Plan, told: Told) -> str:
    """What could be asked where a host cannot be reached."""
    silent = [one.name for one in plan.instances if one.host in told.unreachable]
    asked = len(plan.instances) - len(silent)
    what = f"proven: {asked} of {len(plan.instances)} instances" if told.proven else "nothing is proven"
    where = ", ".join(dict.fromkeys(told.unreachable))
    return f"{what}; on {where}, which cannot be reached, not asked: {', '.join(silent) or 'the proxy'}"


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
        what = "stopped" if told.changed else "nothing ran"
        rest = [host.name for host in plan.hosts if host.name not in told.asked]
        where = f" on {', '.join(sorted(told.asked))}" if rest else ""
        others = f"; not asked, what runs there goes on: {', '.join(rest)}" if rest else ""
        yield f"{plan.deployment}{where}: {what}, {npus}, {told.elapsed:.1f} s{others}"
