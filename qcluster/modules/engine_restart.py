"""Restart instances without losing a request where another instance of the role serves. Source: issue 6, Day two.

A dense replica goes alone, a MoE group as a whole. The proxy is told first (`/instances/remove`), then the
instance finishes what it has, is started again and watched, and the proxy gets it back (`/instances/add`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcluster.command import Command, sh
from qcluster.diagnose.starts import Target
from qcluster.facts.engine_box import AGAIN, RESET
from qcluster.facts.http import Answer
from qcluster.modules import engine_watch
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.proxy_members import drain, members, tell
from qcluster.modules.streams import note
from qcluster.secret import Secret

WHOLE = (
    RESET
    + """\
# the ranks of a group go together: their container is stopped and started
name=$1 grace=$2 run=$3; shift 3
docker stop -t "$grace" "$name" >/dev/null || exit
reset "$@" || exit
docker start "$name" >/dev/null
"""
)


@dataclass(frozen=True)
class Unit:
    """What is restarted at once: a replica, or all ranks of a group."""

    name: str
    role: str
    members: tuple[Mapping[str, Any], ...]

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(f"{one['address']}:{one['port']}" for one in self.members if one["port"] is not None)


class EngineRestart:
    spec = Spec(
        {
            "names": Option("list", elements="str", required=True, help="Instances, groups, hosts or roles."),
            "home": Option("dict", required=True, help="Host → the deployment's folder on it."),
            "drain": Option("int", default=120, help="Seconds that running requests may take to finish."),
            "timeout": Option("int", default=3600, help="Seconds until the instance must be up again."),
            "api_key": Option("str", default="", no_log=True, help="Sent as a bearer token."),
        },
        help="Restart instances one after another, the proxy told (run_once).",
    )
    supports_check = False

    def run(self, call: Call, reach: Reach) -> Report:
        plan, names = call.variables["qcluster_plan"], [str(name) for name in call.args["names"]]
        units = choose(plan, names)
        unknown = [name for name in names if not choose(plan, [name])]
        if unknown:
            known = ", ".join(one["name"] for one in plan["instances"])
            return Report(failed=f"no instance, group, host or role is called {', '.join(unknown)}; there are {known}")
        for unit in units:
            failed = _restart(call, reach, plan, unit)
            if failed:
                return Report(failed=failed, changed=True)
        return Report(changed=True, values={"restarted": [one["name"] for unit in units for one in unit.members]})


def choose(plan: Mapping[str, Any], names: Sequence[str]) -> list[Unit]:
    """The units that hold any of the named, in the order of the plan."""
    wanted = set(names)
    units: dict[str, list[Mapping[str, Any]]] = {}
    for one in plan["instances"]:
        units.setdefault(one["group"] if plan["model"]["moe"] else one["name"], []).append(one)
    made = [Unit(name, members[0]["role"], tuple(members)) for name, members in units.items()]
    return [unit for unit in made if wanted & {word for one in unit.members for word in _words(one)}]


def _words(one: Mapping[str, Any]) -> set[str]:
    return {one["name"], one["group"], one["host"], one["role"]}


def _restart(call: Call, reach: Reach, plan: Mapping[str, Any], unit: Unit) -> str:
    """Why it failed, or an empty text."""
    others = [one for one in plan["instances"] if one["role"] == unit.role and one not in unit.members]
    listed = bool(others) and _tell(call, reach, plan, unit, "remove")
    if listed:
        _drain(call, reach, unit)
    else:
        note(reach, unit.name, _price(plan, unit, bool(others)))
    failed = _again(call, reach, plan, unit) or _up(call, reach, unit)
    if not failed and listed and not _tell(call, reach, plan, unit, "add"):
        failed = f"{unit.name} is up, but the proxy did not take it back: restart the proxy with `qcluster up`"
    return failed


def _price(plan: Mapping[str, Any], unit: Unit, others: bool) -> str:
    """What clients notice of a restart that the proxy does not know of."""
    if not others:
        return f"no other {unit.role} instance is there: requests fail until it is back"
    if not plan["proxy"]:
        return "a service of its own: its requests fail until it is back"
    if plan["proxy"]["kind"] != "vllm-ascend":
        return f"the proxy ({plan['proxy']['kind']}) cannot be told: what it sends here fails until it is back"
    return "the proxy could not be told: what it sends here fails until it is back"


def _key(call: Call) -> Secret | None:
    key = call.args["api_key"]
    return key if isinstance(key, Secret) else Secret(str(key)) if key else None


def _tell(call: Call, reach: Reach, plan: Mapping[str, Any], unit: Unit, verb: str) -> bool:
    """Whether the proxy took or gave the instances. Only vllm-ascend's own proxy can be told."""
    proxy = plan["proxy"]
    if not proxy or proxy["kind"] != "vllm-ascend" or unit.role not in ("prefill", "decode") or not unit.endpoints:
        return False
    before = members(reach, proxy).get(unit.role, -1)
    answer = tell(reach, proxy, verb, {"type": unit.role, "instances": list(unit.endpoints)}, _key(call))
    note(reach, unit.name, _told(verb, answer))
    return answer.ok and (verb == "remove" or _taken(reach, proxy, unit, before))


def _told(verb: str, answer: Answer) -> str:
    if not answer.ok:
        return f"the proxy refuses to {verb} it: {answer.status or answer.error}"
    return "the proxy sends no new requests here" if verb == "remove" else "up again; the proxy takes it back"


def _taken(reach: Reach, proxy: Mapping[str, Any], unit: Unit, before: int) -> bool:
    """The proxy asks the instance itself before it lists it, and says nothing when it gives up."""
    for _ in range(120):
        if members(reach, proxy).get(unit.role, -1) >= before + len(unit.endpoints) or before < 0:
            return True
        reach.sleep(0.5)
    return False


def _drain(call: Call, reach: Reach, unit: Unit) -> None:
    """Let the unit's instances finish what they have, for as long as allowed."""
    if not drain(reach, unit.members, _key(call), int(call.args["drain"])):
        note(reach, unit.name, "requests still run; they are cut off now")


def _again(call: Call, reach: Reach, plan: Mapping[str, Any], unit: Unit) -> str:
    """Start the unit again on each of its hosts."""
    native = plan["runtime"] == "host"
    for host in dict.fromkeys(one["host"] for one in unit.members):
        members = [one for one in unit.members if one["host"] == host]
        home = f"{call.args['home'][host]}/{members[0]['container']}"
        whole = plan["model"]["moe"] and not native
        command = _whole(home, members) if whole else sh(AGAIN, home, *(one["name"] for one in members), timeout=120)
        outcome = reach.fleet[host].run(command)
        if not outcome.ok:
            return f"{unit.name} on {host} could not be restarted: {outcome.err.strip() or outcome.exit}"
    return ""


def _whole(home: str, members: Sequence[Mapping[str, Any]]) -> Command:
    logs = [str(one["log"]) for one in members]
    return sh(WHOLE, str(members[0]["container"]), "60", f"{home}/run", *logs, timeout=300)


def _up(call: Call, reach: Reach, unit: Unit) -> str:
    names = {one["name"] for one in unit.members}
    mine: tuple[Target, ...] = tuple(one for one in engine_watch.targets(call) if one.name in names)
    return engine_watch.wait(mine, reach, 15, int(call.args["timeout"])).failed


engine_restart = EngineRestart()
