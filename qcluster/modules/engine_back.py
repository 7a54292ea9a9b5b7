"""What was started again in place of a plan that failed serves again: proven, not assumed.

Whom to ask stands in the record of what ran before; where there is none, in the plan. Source: issue 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from qcluster.errors import NotServing
from qcluster.facts import http, instances, proven
from qcluster.facts.fact import ask
from qcluster.modules.agreement import agreement
from qcluster.modules.asking import Endpoint, Scene
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.deployment_record import newest, records
from qcluster.modules.proxy_list import ROLES, give, listed
from qcluster.modules.smoke import prove
from qcluster.modules.streams import note
from qcluster.secret import Secret
from qcluster.serving import record
from qcluster.serving.digest import TOLD
from qcluster.serving.record import Member


class EngineBack:
    spec = Spec(
        {
            "timeout": Option("int", default=3600, help="Seconds until all must be up again."),
            "sense": Option("bool", default=True, help="Text that repeats one word does not count as an answer."),
            "api_key": Option("str", default="", no_log=True, help="Sent as a bearer token."),
        },
        help="What ran before on these hosts is up again, in the proxy's list, and answers (run_once).",
    )
    supports_check = False

    def run(self, call: Call, reach: Reach) -> Report:
        key = call.args["api_key"]
        secret = key if isinstance(key, Secret) else Secret(str(key)) if key else None
        everybody = _before(call, reach)
        back = tuple(one for one in everybody if one.name in reach.play_hosts)
        failed = _up(call, reach, back)
        if not failed:
            _listed(call, reach, back, secret)
            failed = _proven(call, reach, (back, everybody), secret)
        sentence = f"but it does not serve: {failed.splitlines()[0]}" if failed else "and serves (proven)"
        first = call.variables["qcluster_plan"]["hosts"][0]
        outcome = proven.Proof(reach.clock(), "up, the plan before", failed)
        reach.fleet[first["name"]].put(proven.note(first["state_dir"], outcome))
        note(reach, "proof", f"what ran before was started again {sentence}")
        return Report(values={"sentence": sentence, "proven": not failed})


def _before(call: Call, reach: Reach) -> tuple[Member, ...]:
    """All hosts as they were."""
    plan = call.variables["qcluster_plan"]
    homes = {host["name"]: host["state_dir"] for host in plan["hosts"] if host["name"] in reach.play_hosts}
    found = newest(records(homes, reach.fleet))
    return tuple(one for one in (found or record.made(plan, {}, 0)).members if one.name in reach.fleet)


def _served(back: Sequence[Member]) -> list[Mapping[str, Any]]:
    return [one for member in back for one in member.instances if one["port"] is not None]


def _up(call: Call, reach: Reach, back: Sequence[Member]) -> str:
    """Until all are healthy. Returns why that will not be, or an empty text."""
    deadline = reach.clock() + int(call.args["timeout"])
    waiting = _served(back)
    while waiting:
        waiting = [one for one in waiting if not _healthy(reach, one)]
        dead = [why for member in back if (why := _dead(call, reach, member))] if waiting else []
        if dead:
            return "; ".join(dead)
        if reach.clock() > deadline or reach.cancelled():
            return f"not up again in time: {', '.join(one['name'] for one in waiting)}"
        reach.sleep(1.0 if waiting else 0.0)
    return ""


def _healthy(reach: Reach, one: Mapping[str, Any]) -> bool:
    request = http.Request(one["address"], one["port"], "/health", timeout=5)
    return http.ask(reach.fleet[one["host"]].open_tcp, request).ok


def _dead(call: Call, reach: Reach, member: Member) -> str:
    asked = [
        instances.Asked(one["name"], one["log"], f"{member.state_dir}/{one['container']}/run")
        for one in member.instances
    ]
    deployment = call.variables["qcluster_plan"]["deployment"]
    found = ask(reach.fleet[member.name].run, instances.running(deployment, asked))
    ended = [
        f"{one.name} on {member.name} ended with exit code {one.exit}" for one in found.engines if one.exit is not None
    ]
    stopped = [box for box in found.containers if box.name in member.containers and not box.running]
    return ", ".join([*ended, *(f"{box.name} on {member.name} is {box.state}" for box in stopped)])


def _listed(call: Call, reach: Reach, back: Sequence[Member], key: Secret | None) -> None:
    """The proxy was told to send elsewhere; now it gets them back."""
    plan = call.variables["qcluster_plan"]
    proxy = plan["proxy"]
    if not proxy or proxy["kind"] != TOLD or not listed(reach, proxy, key):
        return
    give(reach, plan, {role: _ends(back, role) for role in ROLES}, key, 60)


def _ends(back: Sequence[Member], role: str) -> tuple[str, ...]:
    return tuple(f"{one['address']}:{one['port']}" for one in _served(back) if one["role"] == role)


def _proven(call: Call, reach: Reach, hosts: tuple[Sequence[Member], Sequence[Member]], key: Secret | None) -> str:
    """What is wrong: with the engines that are `back`, or with the text that the whole service gives."""
    (back, everybody), plan = hosts, call.variables["qcluster_plan"]
    ends = _served(back)
    if not ends:
        return ""
    name = _model(reach, ends[0], key) or plan["model"]["served_name"]
    alone = Scene(name, _endpoints(back), None, key, 120.0, bool(call.args["sense"]), plan=plan)
    front = plan["proxy"]
    try:
        prove(alone, reach, 60)
        if front:
            proxy = Endpoint("proxy", "proxy", front["host"], front["address"], front["port"])
            agreement(replace(alone, instances=_endpoints(everybody), proxy=proxy), reach)
    except NotServing as error:
        return str(error)
    return ""


def _endpoints(hosts: Sequence[Member]) -> tuple[Endpoint, ...]:
    names = ("name", "role", "host", "address", "port")
    return tuple(Endpoint(*(one[name] for name in names)) for one in _served(hosts))


def _model(reach: Reach, one: Mapping[str, Any], key: Secret | None) -> str:
    """The name that it serves under, which may not be the new plan's."""
    request = http.Request(one["address"], one["port"], "/v1/models", key=key)
    value = http.ask(reach.fleet[one["host"]].open_tcp, request).json()
    names = [model.get("id") for model in value.get("data", [])] if isinstance(value, dict) else []
    return str(names[0]) if names else ""


engine_back = EngineBack()
