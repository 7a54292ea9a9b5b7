"""Rules about other deployments that use the same hosts: those checked beside this one, and those that run already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qcluster.serving.lint.ports import place_of, shown
from qcluster.serving.lint.rule import ERROR, WARNING, Fault, Neighbour, Subject, once, rule
from qcluster.serving.placement import Placement
from qcluster.serving.plan import Plan, PortUse
from qcluster.serving.ports import MOVED_BY, meeting, spans_of


@dataclass(frozen=True)
class Shared:
    """One machine that two plans use, by its address: its name here and there."""

    name: str
    other: str
    neighbour: Neighbour

    def __str__(self) -> str:
        return f"{self.neighbour.plan.deployment} ({self.neighbour.source})"


def _shared(subject: Subject, running: bool) -> Iterator[Shared]:
    for neighbour in subject.others:
        if neighbour.running == running:
            there = {host.address: host.name for host in neighbour.plan.hosts}
            yield from (
                Shared(host.name, there[host.address], neighbour)
                for host in subject.plan.hosts
                if host.address in there
            )


def _at(subject: Subject, host: str) -> Placement:
    placements = subject.deployment.placements
    return next((one for one in placements if one.host.name == host), placements[0])


def _meetings(subject: Subject, shared: Shared) -> Iterator[tuple[PortUse, PortUse]]:
    """Ports that both use, one pair of each kind: not one a process."""
    mine = [use for use in subject.plan.ports if use.host == shared.name]
    theirs = [use for use in shared.neighbour.plan.ports if use.host == shared.other]
    return once(meeting(mine, theirs), lambda pair: tuple((use.purpose, use.side) for use in pair))


def _random(one: PortUse, other: PortUse) -> bool:
    """Whether they meet only by chance or by HCCL's default, so that both may start all the same."""
    return "adxl" in (one.purpose, other.purpose) or one.purpose == other.purpose == "hccl-host"


@rule("QC306", ERROR, "deployments share no port", "issue 5; issue #11968", "port_base: 7100 in both")
def ports(subject: Subject) -> Iterator[Fault]:
    for shared in _shared(subject, running=False):
        for one, other in _meetings(subject, shared):
            if not _random(one, other):
                yield _fault(subject, shared, one, other)


def _fault(subject: Subject, shared: Shared, one: PortUse, other: PortUse) -> Fault:
    variable = MOVED_BY.get(one.purpose, "vllm_env")
    free = -(-(other.last + 1) // 100) * 100
    hint = f"{variable}: {free} here, or other ports there" if variable != "vllm_env" else "HCCL_IF_BASE_PORT here"
    what = f"{shown(one)} on {shared.name} meets {shown(other)} of {shared}"
    return Fault(what, hint, place_of(subject, one), variable)


@rule("QC307", WARNING, "deployments share no port by chance", "issue #4725", "check A B, on one host")
def chance(subject: Subject) -> Iterator[Fault]:
    for shared in _shared(subject, running=False):
        for one, other in _meetings(subject, shared):
            if "adxl" in (one.purpose, other.purpose) and one.purpose != other.purpose:
                yield _fault(subject, shared, one, other)
            elif one.purpose == other.purpose == "hccl-host":
                what = f"HCCL's ports {one.first}-{one.last} on {shared.name} are also those of {shared}"
                hint = f"HCCL_IF_BASE_PORT: {one.first + 100} in the vllm_env of one of them"
                yield Fault(what, hint, _at(subject, shared.name), "vllm_env")


@rule("QC416", ERROR, "deployments share no NPU", "gpustack#3352", "npus: [0, 1] in both")
def npus(subject: Subject) -> Iterator[Fault]:
    for shared in _shared(subject, running=False):
        if both := _npus(subject.plan, shared):
            what = f"NPU {both} of {shared.name} is also used by {shared}"
            yield Fault(what, "give each deployment its own npus list", _at(subject, shared.name), "npus")


def _npus(plan: Plan, shared: Shared) -> str:
    mine = {npu for host in plan.hosts if host.name == shared.name for npu in host.npus}
    theirs = {npu for host in shared.neighbour.plan.hosts if host.name == shared.other for npu in host.npus}
    return spans_of(mine & theirs)


@rule("QC308", ERROR, "deployments have names of their own", "issue 5", "deployment: main in both")
def names(subject: Subject) -> Iterator[Fault]:
    for shared in _shared(subject, running=False):
        if shared.neighbour.plan.deployment == subject.plan.deployment:
            what = f"{shared} has this name too and uses {shared.name}: the containers of one would be the other's"
            yield Fault(what, "another deployment name", _at(subject, shared.name), "deployment")


@rule("QC309", WARNING, "what runs keeps its ports and NPUs", "issue 5", "what `up` started from here")
def running(subject: Subject) -> Iterator[Fault]:
    for shared in _shared(subject, running=True):
        if shared.neighbour.plan.deployment == subject.plan.deployment:
            continue
        taken = [
            f"{shown(one)}" for one, other in _meetings(subject, shared) if "adxl" not in (one.purpose, other.purpose)
        ]
        both = _npus(subject.plan, shared)
        wanted = [*([f"NPU {both}"] if both else []), *taken]
        if wanted:
            what = f"{', '.join(wanted)} on {shared.name}: {shared}, which was started from here, has them"
            yield Fault(
                what,
                "qcluster down it first, or use others",
                _at(subject, shared.name),
                "npus" if both else "port_base",
            )
