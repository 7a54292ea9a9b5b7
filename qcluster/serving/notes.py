"""What the operator should know: departures from the seed document, and what this plan leaves unused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qcluster.serving import catalogue
from qcluster.serving.deployment import Deployment
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
    for placement in deployment.placements:
        busy = {npu for one in instances if one.host == placement.host.name for npu in one.devices}
        idle = [npu for npu in placement.settings.npus or () if npu not in busy]
        if idle:
            what = f"{placement.host.name}: {len(idle)} of {len(placement.settings.npus or ())} NPUs stay idle."
            yield Note("idle-npus", what, f"dp and tp of {placement.role} do not use them.", "the inventory")
