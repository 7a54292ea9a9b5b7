"""Put what the hosts said into the plan: from here on every host sees the bound plan. Source: CONTRACTS, facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from qcluster.errors import InputError
from qcluster.modules.base import Call, Reach, Report, Spec


class BindPlan:
    spec = Spec({}, help="Bind the plan to the hosts' facts (run_once); a contradiction ends the run with exit code 2.")
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        from qcluster import serving
        from qcluster.serving.plan import as_json, from_json

        unbound = from_json(call.variables["qcluster_plan"])
        seen = {host.name: reach.variables_of(host.name).get("qcluster_facts") for host in unbound.hosts}
        silent = [name for name, facts in seen.items() if not facts]
        try:
            bound = serving.bind(unbound, {name: host_facts(facts) for name, facts in seen.items() if facts})
        except InputError as error:
            return Report(failed=str(error), fatal=error.exit_code)
        document = as_json(bound)
        values = {"bound": sorted(set(seen) - set(silent)), "silent": silent, "digest": document["digest"]}
        return Report(facts_for={name: part(document, name) for name in reach.fleet}, values=values)


def host_facts(facts: Mapping[str, Any]) -> Any:
    """The planner's own `HostFacts`, from the fact `qcluster_facts`."""
    from qcluster.serving import HostFacts

    known = {"os_suffix": os_suffix(str(facts.get("os", ""))), **facts}
    values: dict[str, Any] = {field.name: known[field.name] for field in fields(HostFacts) if field.name in known}
    return HostFacts(**{**values, "npus": tuple(values["npus"])})


def os_suffix(os: str) -> str:
    """Which image variant fits the host's distribution: only openEuler has one of its own (facts §1.5)."""
    return "-openeuler" if os == "openEuler" else ""


def part(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What host `name` sees of the plan."""
    own = [instance for instance in document["instances"] if instance["host"] == name]
    host: dict[str, Any] = next((host for host in document["hosts"] if host["name"] == name), {})
    return {"qcluster_plan": document, "qcluster_instances": own, "qcluster_host": host}


bind_plan = BindPlan()
