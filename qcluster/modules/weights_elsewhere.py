"""Hosts of the plan that this play leaves alone and that have the weights: they can send them to those that join.

Only looked for where something is missing (`qcluster scale`, `up --limit`). Issue 6, Weights: never a second download.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qcluster.errors import UnreachableError, UnreadableOutput
from qcluster.facts import weights as fact
from qcluster.facts.weights import Source, Weights
from qcluster.modules.base import Call, Reach
from qcluster.modules.weights import place


def elsewhere(call: Call, reach: Reach, known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The fact `qcluster_weights` of every such host, in the plan's order."""
    plan = call.variables.get("qcluster_plan") or {"hosts": []}
    found = {}
    for part in plan["hosts"]:
        name = part["name"]
        own = [one for one in plan["instances"] if one["host"] == name]
        if name in known or name not in reach.fleet or not own or "<fact:" in f"{own[0]['argv'][2]}{part['state_dir']}":
            continue
        image = part["containers"][0]["image"] if part["containers"] else ""
        path = str(own[0]["argv"][2])
        source = Source("modelscope", "", path, f"{path}/.qcluster-manifest", image)
        weights = _look(reach, name, source)
        if weights is not None and weights.complete:
            found[name] = {**fact.plain(source, weights), "job": place(f"{part['state_dir']}/jobs", path)}
    return found


def _look(reach: Reach, host: str, source: Source) -> Weights | None:
    question = fact.look(source.path, source.manifest)
    try:
        return question.parse(reach.fleet[host].run(question.command))
    except (UnreachableError, UnreadableOutput):
        return None
