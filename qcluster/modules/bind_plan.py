"""Put what the hosts said into the plan: from here on every host sees the bound plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from qcluster.errors import InputError
from qcluster.facts.docker import DIGEST
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.serving.catalogue import release_entry
from qcluster.serving.plan import HostPlan

DARK = "install the driver, or put npu-smi on PATH (/usr/local/bin/npu-smi)"


class BindPlan:
    spec = Spec(
        {"strict": Option("bool", default=True, help="false: go on whatever the hardware says (to stop things).")},
        help="Bind the plan to the hosts' facts (run_once); a contradiction ends the run with exit code 2.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        from qcluster import serving
        from qcluster.serving.plan import as_json, made_again

        unbound = made_again(call.variables["qcluster_plan"])
        seen = {host.name: reach.variables_of(host.name).get("qcluster_facts") for host in unbound.hosts}
        silent = [name for name, facts in seen.items() if not facts]
        blind = blindness({host.name: seen[host.name] for host in unbound.hosts if host.npus})
        if blind and call.args["strict"]:
            return Report(failed="\n".join(blind))
        known = {host.name: host_facts(seen[host.name] or {}, host, call.args["strict"]) for host in unbound.hosts}
        try:
            bound = serving.bind(unbound, {name: facts for name, facts in known.items() if name not in silent})
        except InputError as error:
            return Report(failed=str(error), fatal=error.exit_code)
        document = as_json(bound)
        values = {"bound": sorted(set(seen) - set(silent)), "silent": silent, "digest": document["digest"]}
        same = unchanged(document, seen)
        serving_already = {"qcluster_unchanged": same, "qcluster_settled": same and settled(document, seen)}
        turns = rolling(document, seen)
        return Report(
            facts_for={
                name: {**part(document, name), **serving_already, "qcluster_rolling": name in turns}
                for name in reach.fleet
            },
            values=values,
        )


def rolling(document: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any] | None]) -> set[str]:
    """Hosts that serve another plan now and can be replaced one at a time, because a peer of their role serves too."""
    live = {host["name"]: _live(host, seen.get(host["name"])) for host in document["hosts"]}
    old = {host["name"] for host in document["hosts"] if _old(host, live[host["name"]])}
    peers: dict[str, set[str]] = {}
    for host in document["hosts"]:
        for role in host["roles"] if live[host["name"]] else ():
            peers.setdefault(role, set()).add(host["name"])
    roles = {host["name"]: host["roles"] for host in document["hosts"]}
    alone = old - _tied(document)
    return {name for name in alone if all(len(peers.get(role, ())) > 1 for role in roles[name] if role != "proxy")}


def _tied(document: Mapping[str, Any]) -> set[str]:
    """Hosts that carry a group (or one rank) together: replaced one by one, each would wait for the others."""
    hosts: dict[str, set[str]] = {}
    for one in document["instances"]:
        hosts.setdefault(one["group"], set()).add(one["host"])
    return set().union(*(names for names in hosts.values() if len(names) > 1))


def _live(host: Mapping[str, Any], facts: Mapping[str, Any] | None) -> dict[str, str]:
    """The running containers of a host that the plan names: name → digest."""
    names = {box["name"] for box in host["containers"]}
    running = (one for one in (facts or {}).get("containers", ()) if one["state"] == "running")
    return {one["name"]: one["digest"] for one in running if one["name"] in names}


def _old(host: Mapping[str, Any], live: Mapping[str, str]) -> bool:
    return any(live.get(box["name"], box["labels"][DIGEST]) != box["labels"][DIGEST] for box in host["containers"])


def unchanged(document: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any] | None]) -> bool:
    """Whether every container of the plan runs already with the digest it should have."""
    running = {
        (host, one["name"], one["digest"])
        for host, facts in seen.items()
        for one in (facts or {}).get("containers", ())
        if one["state"] == "running"
    }
    boxes = [box for host in document["hosts"] for box in host["containers"]]
    return bool(boxes) and all((box["host"], box["name"], box["labels"][DIGEST]) in running for box in boxes)


def settled(document: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any] | None]) -> bool:
    """Whether the proxy, too, runs as planned, and no container is kept that another one has replaced."""
    found = [
        {**one, "host": host}
        for host, facts in seen.items()
        for one in (facts or {}).get("containers", ())
        if one["deployment"] == document["deployment"]
    ]
    if any(one["name"].endswith("-previous") for one in found):
        return False
    proxy = document["proxy"]
    return proxy is None or any(
        one["state"] == "running"
        and (one["host"], one["name"], one["digest"]) == (proxy["host"], proxy["container"], proxy["labels"][DIGEST])
        for one in found
    )


def blindness(seen: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Hosts whose NPUs cannot be seen: unknown, which is never a pass."""
    dark = {name: facts for name, facts in seen.items() if facts and not facts["hardware"]}
    return [f"{name}: npu-smi shows no NPU: {_last(facts['npu_problem'])}; {DARK}" for name, facts in dark.items()]


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["its table names no chip that is known"])[-1]


def host_facts(facts: Mapping[str, Any], host: HostPlan, strict: bool) -> Any:
    """The planner's own `HostFacts`, from the fact `qcluster_facts`; lenient about the hardware unless `strict`."""
    from qcluster.serving import HostFacts

    lenient = {} if strict else {"hardware": host.hardware, "npus": []}
    known = {"os_suffix": os_suffix(str(facts.get("os", ""))), "hardware": "", "nic": "", **facts, **lenient}
    values: dict[str, Any] = {field.name: known[field.name] for field in fields(HostFacts) if field.name in known}
    return HostFacts(**{**values, "npus": tuple(values.get("npus", ()))})


def os_suffix(os: str) -> str:
    """Which image variant fits the host's distribution: only openEuler has one of its own (installation.md)."""
    return "-openeuler" if os == "openEuler" else ""


def part(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What host `name` sees of the plan."""
    own = [instance for instance in document["instances"] if instance["host"] == name]
    host: dict[str, Any] = next((host for host in document["hosts"] if host["name"] == name), {})
    release = dict(release_entry(document["release"]))
    return {"qcluster_plan": document, "qcluster_instances": own, "qcluster_host": host, "qcluster_release": release}


bind_plan = BindPlan()
