"""The running proxy lists exactly the instances of the plan: new ones are added, those that left are removed, and what
an interrupted restart took out is given back.

Only vllm-ascend's own proxy can be told (`/instances/add`, `/instances/remove`). Source:
examples/disaggregated_prefill_v1/load_balance_proxy_server_example.py at v0.23.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qcluster.facts import http
from qcluster.facts.http import Request
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.proxy_list import ROLES, Ends, endpoints, give, given, listed, sent_to, take
from qcluster.modules.streams import note
from qcluster.secret import Secret
from qcluster.serving.digest import TOLD

TRANSFER = 2.0
"""Seconds that a prefill instance is kept after its last request: decode still fetches that request's KV from it."""


class ProxyMembers:
    spec = Spec(
        {
            "api_key": Option("str", default="", no_log=True, help="Sent as a bearer token."),
            "without": Option("list", elements="str", default=(), help="Instances that it must not send to now."),
            "only": Option("list", elements="str", default=(), help="Give it these back, and nothing else."),
            "drain": Option("int", default=120, help="With `without`: seconds that running requests may take."),
            "wait": Option("int", default=60, help="Seconds until the proxy must list an instance it was given."),
        },
        help="The proxy lists exactly the instances of the plan.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        plan = call.variables["qcluster_plan"]
        if not plan["proxy"] or plan["proxy"]["kind"] != TOLD:
            return Report(skipped="this proxy has its list for good")
        if call.args["without"]:
            return self._take_out(call, reach, plan)
        if call.args["only"]:
            return self._give_back(call, reach, plan)
        everybody, known = listed(reach, plan["proxy"], _key(call)), given(reach, plan)
        wanted = {role: tuple(endpoints(plan, role)) for role in ROLES}
        serving = sent_to(everybody, known)
        lacking = _beyond(wanted, serving) if everybody else {}
        gone = _beyond(known, wanted) if everybody else {}
        if call.check or not (lacking or gone):
            return Report(changed=bool(lacking or gone), values={"listed": _count(serving)})
        return self._told(call, reach, lacking, gone)

    def _told(self, call: Call, reach: Reach, lacking: Ends, gone: Ends) -> Report:
        """First the new ones, and only when they are listed the old ones go: no role is ever empty."""
        plan = call.variables["qcluster_plan"]
        if lacking and (failed := give(reach, plan, lacking, _key(call), int(call.args["wait"]))):
            return Report(failed=failed, changed=True)
        if gone:
            take(reach, plan, gone, _key(call))
        note(reach, "proxy", _sentence(lacking, gone))
        serving = sent_to(listed(reach, plan["proxy"], _key(call)), given(reach, plan))
        return Report(changed=True, values={"listed": _count(serving), "added": lacking, "removed": gone})

    def _take_out(self, call: Call, reach: Reach, plan: Mapping[str, Any]) -> Report:
        """Tell the proxy, and let what runs finish. A proxy that does not answer sends nothing anyway."""
        out = [one for one in plan["instances"] if one["name"] in call.args["without"] and one["port"] is not None]
        if call.check or not out or not listed(reach, plan["proxy"], _key(call)):
            return Report(changed=bool(out and call.check))
        take(reach, plan, _named(plan, call.args["without"]), _key(call))
        drain(reach, out, _key(call), int(call.args["drain"]))
        return Report(changed=True)

    def _give_back(self, call: Call, reach: Reach, plan: Mapping[str, Any]) -> Report:
        """What was taken out; others may not be there yet, or no more."""
        everybody, known = listed(reach, plan["proxy"], _key(call)), given(reach, plan)
        back = _beyond(_named(plan, call.args["only"]), sent_to(everybody, known)) if everybody else {}
        if call.check or not back:
            return Report(changed=bool(back))
        failed = give(reach, plan, back, _key(call), int(call.args["wait"]))
        return Report(failed=failed, changed=True) if failed else Report(changed=True)


def _named(plan: Mapping[str, Any], names: Sequence[str]) -> Ends:
    return {role: ends for role in ROLES if (ends := tuple(endpoints(plan, role, names)))}


def _beyond(some: Ends, others: Ends) -> Ends:
    """Who is among `some` and not among `others`; roles that have nobody are left out."""
    rest = {role: tuple(one for one in ends if one not in others.get(role, ())) for role, ends in some.items()}
    return {role: ends for role, ends in rest.items() if ends}


def _count(ends: Ends) -> dict[str, int]:
    return {role: len(ends.get(role, ())) for role in ROLES}


def _sentence(lacking: Ends, gone: Ends) -> str:
    added = [one for ends in lacking.values() for one in ends]
    removed = [one for ends in gone.values() for one in ends]
    parts = [f"sends to {', '.join(added)} too" if added else "", f"no more to {', '.join(removed)}" if removed else ""]
    return "the proxy " + " and ".join(filter(None, parts)) if added else f"the proxy sends {parts[1]}"


def drain(reach: Reach, instances: Sequence[Mapping[str, Any]], key: Secret | None, seconds: int) -> bool:
    """Wait until no request runs or waits at the instances; false when some still do after `seconds`."""
    deadline = reach.clock() + seconds
    while reach.clock() < deadline and not reach.cancelled():
        if sum(pending(reach, one, key) for one in instances if one["port"] is not None) == 0:
            if any(one["role"] == "prefill" for one in instances):
                reach.sleep(TRANSFER)
            return True
        reach.sleep(0.5)
    return False


def pending(reach: Reach, one: Mapping[str, Any], key: Secret | None) -> float:
    """Requests that run or wait at an instance; one that does not answer has none."""
    answer = http.ask(reach.fleet[one["host"]].open_tcp, Request(one["address"], one["port"], "/metrics", key=key))
    found = http.metrics(answer.text) if answer.ok else {}
    return found.get("vllm:num_requests_running", 0.0) + found.get("vllm:num_requests_waiting", 0.0)


def _key(call: Call) -> Secret | None:
    key = call.args["api_key"]
    return key if isinstance(key, Secret) else Secret(str(key)) if key else None


proxy_members = ProxyMembers()
