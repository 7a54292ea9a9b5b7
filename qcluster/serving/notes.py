"""What the operator should know: departures from the seed document, and what this plan leaves unused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qcluster.serving import catalogue
from qcluster.serving.deployment import Deployment
from qcluster.serving.placement import Placement
from qcluster.serving.plan import Instance, Note
from qcluster.serving.situation import holds


def notes(deployment: Deployment, instances: Sequence[Instance], explain: str) -> tuple[Note, ...]:
    """Each deviation from the seed with its reason and source; `explain` is the text of all origins."""
    situations = [deployment.situation(placement) for placement in deployment.placements]
    known = [one for one in catalogue.deviations() if any(holds(one.when, situation) for situation in situations)]
    shims = [one for one in catalogue.shims() if f"release shim {one.id}" in explain]
    deviations = [Note(one.id, one.what, one.why, one.source) for one in known]
    shimmed = [Note(one.id, one.what, one.why, one.source) for one in shims]
    return (*deviations, *shimmed, *_idle(deployment, instances))


def _idle(deployment: Deployment, instances: Sequence[Instance]) -> Iterator[Note]:
    for placement, what in idle(deployment, instances):
        why = f"dp and tp of {placement.role} do not use them."
        yield Note("idle-npus", f"{placement.host.name}: {what}.", why, "the inventory")


def idle(deployment: Deployment, instances: Sequence[Instance]) -> Iterator[tuple[Placement, str]]:
    """The placements whose NPUs are not all used, and how many are not."""
    busy = {(one.host, npu) for one in instances for npu in one.devices}
    for placement in deployment.placements:
        npus = placement.settings.npus or ()
        unused = [npu for npu in npus if (placement.host.name, npu) not in busy]
        if unused:
            yield placement, f"{len(unused)} of {len(npus)} NPUs stay idle"
