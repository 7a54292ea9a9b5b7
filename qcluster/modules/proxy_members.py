"""The running proxy lists every instance of the plan: what an interrupted restart took out is given back.

Only vllm-ascend's own proxy can be told (`/instances/add`). Sources: field notes D40; facts §3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qcluster.facts import http
from qcluster.facts.http import Answer, Request
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.secret import Secret

ROLES = ("prefill", "decode")


class ProxyMembers:
    spec = Spec(
        {
            "api_key": Option("str", default="", no_log=True, help="Sent as a bearer token."),
            "without": Option("list", elements="str", default=(), help="Instances that it must not send to now."),
            "drain": Option("int", default=120, help="With `without`: seconds that running requests may take."),
            "wait": Option("int", default=60, help="Seconds until the proxy must list an instance it was given."),
        },
        help="The proxy lists every instance of the plan.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        plan = call.variables["qcluster_plan"]
        if not plan["proxy"] or plan["proxy"]["kind"] != "vllm-ascend":
            return Report(skipped="this proxy has its list for good")
        if call.args["without"]:
            return self._take_out(call, reach, plan)
        listed = members(reach, plan["proxy"])
        lacking = {role: ends for role in ROLES if listed and 0 <= listed[role] < len(ends := endpoints(plan, role))}
        if not lacking or call.check:
            return Report(changed=bool(lacking), values={"listed": listed})
        for role, ends in lacking.items():
            tell(reach, plan["proxy"], "add", {"type": role, "instances": ends}, _key(call))
        return _waited(call, reach, plan, lacking)

    def _take_out(self, call: Call, reach: Reach, plan: Mapping[str, Any]) -> Report:
        """Tell the proxy, and let what runs finish. A proxy that does not answer sends nothing anyway."""
        out = [one for one in plan["instances"] if one["name"] in call.args["without"] and one["port"] is not None]
        if call.check or not out or not members(reach, plan["proxy"]):
            return Report(changed=bool(out and call.check))
        for role in dict.fromkeys(one["role"] for one in out):
            ends = [f"{one['address']}:{one['port']}" for one in out if one["role"] == role]
            tell(reach, plan["proxy"], "remove", {"type": role, "instances": ends}, _key(call))
        drain(reach, out, _key(call), int(call.args["drain"]))
        return Report(changed=True)


def drain(reach: Reach, instances: Sequence[Mapping[str, Any]], key: Secret | None, seconds: int) -> bool:
    """Wait until no request runs or waits at the instances; false when some still do after `seconds`."""
    deadline = reach.clock() + seconds
    while reach.clock() < deadline and not reach.cancelled():
        if sum(pending(reach, one, key) for one in instances if one["port"] is not None) == 0:
            return True
        reach.sleep(0.5)
    return False


def pending(reach: Reach, one: Mapping[str, Any], key: Secret | None) -> float:
    """Requests that run or wait at an instance; one that does not answer has none."""
    answer = http.ask(reach.fleet[one["host"]].open_tcp, Request(one["address"], one["port"], "/metrics", key=key))
    found = http.metrics(answer.text) if answer.ok else {}
    return found.get("vllm:num_requests_running", 0.0) + found.get("vllm:num_requests_waiting", 0.0)


def _waited(call: Call, reach: Reach, plan: Mapping[str, Any], lacking: Mapping[str, list[str]]) -> Report:
    deadline = reach.clock() + int(call.args["wait"])
    while reach.clock() < deadline:
        listed = members(reach, plan["proxy"])
        if all(listed.get(role, -1) >= len(ends) for role, ends in lacking.items()):
            return Report(changed=True, values={"listed": listed})
        reach.sleep(0.5)
    return Report(
        failed=f"the proxy does not take back {', '.join(lacking)} instances; it lists {listed}", changed=True
    )


def endpoints(plan: Mapping[str, Any], role: str) -> list[str]:
    """`address:port` of every instance of a role, as the proxy is given them."""
    mine = [one for one in plan["instances"] if one["role"] == role and one["port"] is not None]
    return [f"{one['address']}:{one['port']}" for one in mine]


def members(reach: Reach, proxy: Mapping[str, Any]) -> dict[str, int]:
    """How many instances of each role the proxy lists; empty when it does not say."""
    request = Request(proxy["address"], proxy["port"], "/healthcheck")
    value = http.ask(reach.fleet[proxy["host"]].open_tcp, request).json()
    return {role: int(value.get(f"{role}_instances", -1)) for role in ROLES} if isinstance(value, dict) else {}


def tell(reach: Reach, proxy: Mapping[str, Any], verb: str, body: Mapping[str, Any], key: Secret | None) -> Answer:
    """`/instances/add` or `/instances/remove`."""
    request = Request(proxy["address"], proxy["port"], f"/instances/{verb}", "POST", body, key, timeout=30)
    return http.ask(reach.fleet[proxy["host"]].open_tcp, request)


def _key(call: Call) -> Secret | None:
    key = call.args["api_key"]
    return key if isinstance(key, Secret) else Secret(str(key)) if key else None


proxy_members = ProxyMembers()
