"""The running proxy lists exactly the instances of the plan: new ones are added, those that left are removed, and what
an interrupted restart took out is given back.

Only vllm-ascend's own proxy can be told (`/instances/add`, `/instances/remove`). It shows how many it lists, not whom;
so whom it was given is kept in a file beside it, which its start script writes and this module keeps true.
Source: examples/disaggregated_prefill_v1/load_balance_proxy_server_example.py at v0.23.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qcluster.command import sh
from qcluster.errors import TaskFailed
from qcluster.facts import http
from qcluster.facts.http import Answer, Request
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.streams import note
from qcluster.secret import Secret
from qcluster.serving.digest import TOLD

ROLES = ("prefill", "decode")
TRANSFER = 2.0
"""Seconds that a prefill instance is kept after its last request: decode still fetches that request's KV from it."""

Members = Mapping[str, tuple[str, ...]]
"""`address:port` of every instance, by role."""

READ = 'cat "$1" 2>/dev/null || :\n'
WRITE = 'printf "%s" "$2" >"$1.new" && mv -f "$1.new" "$1"\n'


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
        listed, given = members(reach, plan["proxy"]), given_to(reach, plan)
        wanted = {role: tuple(endpoints(plan, role)) for role in ROLES}
        lacking = {
            role: ends for role in ROLES if listed and (ends := _lacking(listed[role], given[role], wanted[role]))
        }
        gone = {role: ends for role in ROLES if listed and (ends := _without(given[role], wanted[role]))}
        if call.check or not (lacking or gone):
            return Report(changed=bool(lacking or gone), values={"listed": listed})
        return self._told(call, reach, wanted, (lacking, gone))

    def _told(self, call: Call, reach: Reach, wanted: Members, news: tuple[Members, Members]) -> Report:
        """First the new ones, and only when they are listed the old ones go: no role is ever empty."""
        plan, (lacking, gone) = call.variables["qcluster_plan"], news
        counts = {role: len(wanted[role]) for role in lacking}
        for role, ends in lacking.items():
            tell(reach, plan["proxy"], "add", {"type": role, "instances": list(ends)}, _key(call))
        if not _listed(call, reach, plan, counts):
            found = members(reach, plan["proxy"])
            what = f"the proxy does not take {', '.join(lacking)} instances; it lists {found}"
            return Report(failed=what, changed=True)
        for role, ends in gone.items():
            tell(reach, plan["proxy"], "remove", {"type": role, "instances": list(ends)}, _key(call))
        _keep(reach, plan, wanted)
        note(reach, "proxy", _sentence(lacking, gone))
        values = {"listed": members(reach, plan["proxy"]), "added": lacking, "removed": gone}
        return Report(changed=True, values=values)

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

    def _give_back(self, call: Call, reach: Reach, plan: Mapping[str, Any]) -> Report:
        """What was taken out; others may not be there yet, or no more."""
        back = {role: tuple(endpoints(plan, role, call.args["only"])) for role in ROLES}
        listed, given = members(reach, plan["proxy"]), given_to(reach, plan)
        counts = {
            role: min(listed[role] + len(ends), len({*given[role], *ends}))
            for role, ends in back.items()
            if ends and listed
        }
        counts = {role: count for role, count in counts.items() if count > listed[role]}
        if call.check or not counts:
            return Report(changed=bool(counts))
        for role in counts:
            tell(reach, plan["proxy"], "add", {"type": role, "instances": list(back[role])}, _key(call))
        if _listed(call, reach, plan, counts):
            return Report(changed=True)
        return Report(failed=f"the proxy does not take back {', '.join(call.args['only'])}", changed=True)


def _lacking(count: int, given: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Whom to add: the new ones; everybody, where the proxy lists fewer than it was given (it drops doubles)."""
    new = _without(wanted, given)
    staying = len(wanted) - len(new)
    return tuple(wanted) if 0 <= count < staying + len(_without(given, wanted)) else new


def _without(ends: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(one for one in ends if one not in others)


def _sentence(lacking: Members, gone: Members) -> str:
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


def _listed(call: Call, reach: Reach, plan: Mapping[str, Any], counts: Mapping[str, int]) -> bool:
    """Until the proxy lists as many as it should; it asks each instance itself before it takes it."""
    deadline = reach.clock() + int(call.args["wait"])
    while reach.clock() < deadline and not reach.cancelled():
        listed = members(reach, plan["proxy"])
        if all(listed.get(role, -1) >= count for role, count in counts.items()):
            return True
        reach.sleep(0.5)
    return not counts


def endpoints(plan: Mapping[str, Any], role: str, names: Sequence[str] = ()) -> list[str]:
    """`address:port` of every instance of a role (or of those named), as the proxy is given them."""
    mine = [one for one in plan["instances"] if one["role"] == role and one["port"] is not None]
    mine = [one for one in mine if not names or one["name"] in names]
    return [f"{one['address']}:{one['port']}" for one in mine]


def given_to(reach: Reach, plan: Mapping[str, Any]) -> Members:
    """Whom the proxy was given, from the file beside it; the plan's own instances where there is no such file."""
    found = reach.fleet[plan["proxy"]["host"]].run(sh(READ, _file(plan), timeout=30)).out
    pairs = [line.split() for line in found.splitlines() if len(line.split()) == 2]
    if not pairs:
        return {role: tuple(endpoints(plan, role)) for role in ROLES}
    return {role: tuple(end for kind, end in pairs if kind == role) for role in ROLES}


def _keep(reach: Reach, plan: Mapping[str, Any], wanted: Members) -> None:
    text = "".join(f"{role} {end}\n" for role, ends in wanted.items() for end in ends)
    outcome = reach.fleet[plan["proxy"]["host"]].run(sh(WRITE, _file(plan), text, timeout=30))
    if not outcome.ok:
        raise TaskFailed(f"whom the proxy lists could not be noted: {outcome.err.strip()}")


def _file(plan: Mapping[str, Any]) -> str:
    proxy = plan["proxy"]
    home = next(host["state_dir"] for host in plan["hosts"] if host["name"] == proxy["host"])
    return f"{home}/{proxy['container']}/run/members"


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
