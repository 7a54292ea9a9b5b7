"""A lint rule is data and one function, side by side; a fault is where it strikes.

    @rule("QC412", ERROR, "dcp divides tp", "vllm/config/parallel.py", "dcp: 3")
    def decode_context(subject): ...  # yields a Fault for each place

To add one, write it into the file of its subject: `check.RULES` finds it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, Protocol, TypeVar

from qcluster.serving import versions
from qcluster.serving.deployment import Deployment
from qcluster.serving.layers import spelling
from qcluster.serving.options import options
from qcluster.serving.placement import Placement
from qcluster.serving.plan import Instance, Plan
from qcluster.serving.topology import Slot

ERROR, WARNING, INFO = "error", "warning", "info"


class Drafted(Protocol):
    """What the planner hands over."""

    @property
    def deployment(self) -> Deployment: ...
    @property
    def slots(self) -> tuple[Slot, ...]: ...
    @property
    def plan(self) -> Plan: ...


@dataclass(frozen=True)
class Seat:
    """One process as the rules see it: planned instance, its host's settings, its flags read back."""

    instance: Instance
    slot: Slot

    @property
    def placement(self) -> Placement:
        return self.slot.placement

    @cached_property
    def flags(self) -> Mapping[str, Any]:
        """Flag → value of the final command line."""
        return options(self.instance.argv)

    def config(self, flag: str) -> Mapping[str, Any]:
        """A JSON flag's mapping; empty where it is missing."""
        value = self.flags.get(flag)
        return value if isinstance(value, dict) else {}

    def typed(self, flag: str) -> bool:
        """Whether the inventory itself writes the flag."""
        return flag in map(spelling, self.placement.settings.vllm_args)


@dataclass(frozen=True)
class Neighbour:
    """Another deployment that may use the same hosts. `source`: its inventory, or the run that started it; `running`:
    known from that run, not checked beside this one."""

    source: str
    plan: Plan
    running: bool = False


@dataclass(frozen=True)
class Subject:
    """The plan under judgement, and its neighbours."""

    drafted: Drafted
    others: tuple[Neighbour, ...] = ()

    @property
    def plan(self) -> Plan:
        return self.drafted.plan

    @property
    def deployment(self) -> Deployment:
        return self.drafted.deployment

    @cached_property
    def seats(self) -> tuple[Seat, ...]:
        return tuple(map(Seat, self.plan.instances, self.drafted.slots))

    @cached_property
    def named(self) -> Mapping[str, Seat]:
        """Every process by its name."""
        return {seat.instance.name: seat for seat in self.seats}

    @cached_property
    def of_host(self) -> Mapping[str, Seat]:
        """The first process of each host."""
        return {seat.instance.host: seat for seat in reversed(self.seats)}

    @cached_property
    def firsts(self) -> tuple[Seat, ...]:
        """The first process of each host and role: what a rule that is about settings needs to see."""
        return tuple({(seat.instance.host, seat.instance.role): seat for seat in reversed(self.seats)}.values())[::-1]

    def of(self, role: str) -> tuple[Seat, ...]:
        """The first processes of one role."""
        return self._by_role.get(role, ())

    @cached_property
    def _by_role(self) -> Mapping[str, tuple[Seat, ...]]:
        roles = dict.fromkeys(seat.instance.role for seat in self.firsts)
        return {role: tuple(seat for seat in self.firsts if seat.instance.role == role) for role in roles}

    @property
    def connected(self) -> tuple[Seat, ...]:
        """The first processes of prefill and decode: what a rule about KV transfer looks at."""
        return (*self.of("prefill"), *self.of("decode"))

    def since(self, version: str) -> bool:
        """Whether the release is `version` or later; one of unknown name is."""
        return not versions.older(self.plan.release, version)

    @property
    def pd(self) -> bool:
        """Whether prefill and decode are separated."""
        return bool(self.of("prefill") and self.of("decode"))


@dataclass(frozen=True)
class Fault:
    """A rule strikes: at which host's variable (or `where`, a file and line), what, and what to do next."""

    what: str
    hint: str = ""
    at: Placement | None = None
    variable: str = ""
    where: tuple[str, int] | None = None


T = TypeVar("T")


def once(found: Iterable[T], kind: Callable[[T], object]) -> Iterator[T]:
    """The first of each kind: a rule tells one finding a pair of roles, say, not one a pair of processes."""
    seen: set[object] = set()
    for one in found:
        if kind(one) not in seen:
            seen.add(kind(one))
            yield one


Check = Callable[[Subject], Iterator[Fault]]


@dataclass(frozen=True)
class Rule:
    """`title` is what holds where the rule is kept, `source` who says so, `example` a line that the rule refuses."""

    id: str
    severity: str
    title: str
    source: str
    example: str
    check: Check


def rule(id: str, severity: str, title: str, source: str, example: str) -> Callable[[Check], Rule]:
    """Make a rule of the function below."""
    return lambda check: Rule(id, severity, title, source, example, check)


def rules_of(*modules: ModuleType) -> tuple[Rule, ...]:
    """Every rule that stands in these modules, as they are numbered."""
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Rule)]
    return tuple(sorted(found, key=lambda one: one.id))
