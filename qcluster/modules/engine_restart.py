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
from qcluster.modules import engine_watch
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.proxy_list import ROLES, give, listed, take
from qcluster.modules.proxy_members import drain
from qcluster.modules.streams import note
from qcluster.secret import Secret
from qcluster.serving.digest import TOLD

BACK = 60.0
"""Seconds in which the proxy must list an instance again; it looks every 10 s."""

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
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        plan, names = call.variables["qcluster_plan"], [str(name) for name in call.args["names"]]
        units = choose(plan, names)
        unknown = [name for name in names if not choose(plan, [name])]
        if unknown:
            known = ", ".join(one["name"] for one in plan["instances"])
            return Report(failed=f"no instance, group, host or role is called {', '.join(unknown)}; there are {known}")
        for unit in units:
            if call.check:
                note(reach, unit.name, "would be restarted")
                continue
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
    told = bool(others) and _told(plan, unit) and _taken_out(call, reach, plan, unit)
    if told:
        _drain(call, reach, unit)
    else:
        note(reach, unit.name, _price(plan, unit, bool(others)))
    failed = _again(call, reach, plan, unit) or _up(call, reach, unit)
    return failed or (_given_back(call, reach, plan, unit) if told else "")


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


def _told(plan: Mapping[str, Any], unit: Unit) -> bool:
    """Whether the proxy is one that can be told. Only vllm-ascend's own can."""
    proxy = plan["proxy"]
    return bool(proxy and proxy["kind"] == TOLD and unit.role in ROLES and unit.endpoints)


def _taken_out(call: Call, reach: Reach, plan: Mapping[str, Any], unit: Unit) -> bool:
    """A proxy that does not answer sends nothing anyway."""
    if not listed(reach, plan["proxy"], _key(call)):
        return False
    answer = take(reach, plan, {unit.role: unit.endpoints}, _key(call))
    refused = f"the proxy refuses to remove it: {answer.status or answer.error}"
    note(reach, unit.name, "the proxy sends no new requests here" if answer.ok else refused)
    return answer.ok


def _given_back(call: Call, reach: Reach, plan: Mapping[str, Any], unit: Unit) -> str:
    """Why the proxy does not send to it again, or an empty text."""
    failed = give(reach, plan, {unit.role: unit.endpoints}, _key(call), BACK)
    if failed:
        return f"{unit.name} is up, but {failed}: `qcluster restart proxy` starts it with its whole list"
    note(reach, unit.name, "up again; the proxy takes it back")
    return ""


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
    return engine_watch.wait(mine, reach, int(call.args["timeout"])).failed


engine_restart = EngineRestart()
