"""Whom vllm-ascend's own proxy lists, and how an instance leaves that list and comes back while requests run.

While any request runs, `/instances/remove` only marks an instance: nothing more is sent to it, and it leaves the list
at the first look (every 10 s) that finds no request, under steady load never. `/instances/add` ignores whoever is
listed, marked or not. So who comes back while the mark is still there is added under another spelling of the same
address: the list is one of texts. Source: load_balance_proxy_server_example.py at v0.23.0, tried with that program.

The list does not show the marks. Whom it is to send to stands in a file beside it, which its start script writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from qcluster.command import sh
from qcluster.errors import TaskFailed
from qcluster.facts import http
from qcluster.facts.http import Answer, Request
from qcluster.modules.base import Reach
from qcluster.secret import Secret

ROLES = ("prefill", "decode")

Ends = Mapping[str, tuple[str, ...]]
"""`address:port` of instances, by role."""

READ = 'cat "$1" 2>/dev/null || :\n'
WRITE = 'printf "%s" "$2" >"$1.new" && mv -f "$1.new" "$1"\n'


def tell(reach: Reach, proxy: Mapping[str, Any], verb: str, body: Mapping[str, Any], key: Secret | None) -> Answer:
    """`/instances/add` or `/instances/remove`."""
    request = Request(proxy["address"], proxy["port"], f"/instances/{verb}", "POST", body, key, timeout=30)
    return http.ask(reach.fleet[proxy["host"]].open_tcp, request)


def listed(reach: Reach, proxy: Mapping[str, Any], key: Secret | None) -> Ends:
    """Everybody on the list, as spelled there; empty when the proxy does not say."""
    value = tell(reach, proxy, "add", {"type": ROLES[0], "instances": []}, key).json()
    found = {role: value.get(f"current_{role}_instances") for role in ROLES} if isinstance(value, dict) else {}
    ends = {role: tuple(map(str, some)) for role, some in found.items() if isinstance(some, list)}
    return ends if len(ends) == len(ROLES) else {}


def given(reach: Reach, plan: Mapping[str, Any]) -> Ends:
    """Whom it is to send to, from the file beside it; the plan's own instances where there is no such file."""
    found = reach.fleet[plan["proxy"]["host"]].run(sh(READ, _file(plan), timeout=30)).out
    pairs = [line.split() for line in found.splitlines() if len(line.split()) == 2]
    if not pairs:
        return {role: tuple(endpoints(plan, role)) for role in ROLES}
    return {role: tuple(end for kind, end in pairs if kind == role) for role in ROLES}


def sent_to(everybody: Ends, known: Ends) -> Ends:
    """Of those on the list the ones that are not marked."""
    plain = {role: {_plain(end) for end in ends} for role, ends in everybody.items()}
    return {role: tuple(end for end in ends if end in plain.get(role, ())) for role, ends in known.items()}


def take(reach: Reach, plan: Mapping[str, Any], out: Ends, key: Secret | None) -> Answer:
    """Nothing more is sent to `out`, in whatever spelling they are listed. The last answer; 200 where nobody is."""
    everybody, known = listed(reach, plan["proxy"], key), given(reach, plan)
    _keep(reach, plan, {role: _without(ends, out.get(role, ())) for role, ends in known.items()})
    answer = Answer(200)
    for role, ends in out.items():
        names = [one for one in everybody.get(role, ends) if _plain(one) in ends]
        answer = tell(reach, plan["proxy"], "remove", {"type": role, "instances": names}, key) if names else answer
        if not answer.ok:
            break
    return answer


def give(reach: Reach, plan: Mapping[str, Any], back: Ends, key: Secret | None, wait: float) -> str:
    """`back` are sent to again. Returns why they are not after `wait` seconds, or an empty text."""
    everybody, known = listed(reach, plan["proxy"], key), given(reach, plan)
    serving = sent_to(everybody, known)
    names = {
        role: [_spelled(end, everybody.get(role, ())) for end in _without(ends, serving.get(role, ()))]
        for role, ends in back.items()
    }
    for role, new in names.items():
        if new:
            tell(reach, plan["proxy"], "add", {"type": role, "instances": new}, key)
    lacking = _awaited(reach, plan["proxy"], names, (key, wait))
    if not lacking:
        _keep(reach, plan, {role: (*ends, *_without(back.get(role, ()), ends)) for role, ends in known.items()})
    why = f"the proxy does not take {', '.join(lacking)}: within {wait:.0f} s it got no /v1/models from there"
    return why if lacking else ""


def _awaited(
    reach: Reach, proxy: Mapping[str, Any], names: Mapping[str, Sequence[str]], patience: tuple[Secret | None, float]
) -> list[str]:
    """Who is not listed in the end: it asks each instance itself first, and says nothing when it gives up."""
    key, wait = patience
    deadline = reach.clock() + wait
    while lacking := _missing(listed(reach, proxy, key), names):
        if reach.clock() >= deadline or reach.cancelled():
            return lacking
        reach.sleep(0.5)
    return []


def _missing(everybody: Ends, names: Mapping[str, Sequence[str]]) -> list[str]:
    return [_plain(end) for role, ends in names.items() for end in ends if end not in everybody.get(role, ())]


def endpoints(plan: Mapping[str, Any], role: str, names: Sequence[str] = ()) -> list[str]:
    """`address:port` of every instance of a role (or of those named), as the proxy is given them."""
    mine = [one for one in plan["instances"] if one["role"] == role and one["port"] is not None]
    return [f"{one['address']}:{one['port']}" for one in mine if not names or one["name"] in names]


def _without(ends: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(one for one in ends if one not in others)


def _spelled(end: str, taken: Sequence[str]) -> str:
    """The address as it is, or as a hexadecimal number with so many zeros that nobody on the list has it."""
    host, _, port = end.rpartition(":")
    try:
        number = f"{int(IPv4Address(host)):x}"
    except ValueError:
        return end  # a name has one spelling that is sure to be found
    others = (f"0x{number.zfill(width)}:{port}" for width in range(8, 8 + len(taken) + 1))
    return next(one for one in (end, *others) if one not in taken)


def _plain(end: str) -> str:
    host, _, port = end.rpartition(":")
    return f"{IPv4Address(int(host, 16))}:{port}" if host.startswith("0x") else end


def _keep(reach: Reach, plan: Mapping[str, Any], ends: Ends) -> None:
    text = "".join(f"{role} {end}\n" for role in ROLES for end in ends.get(role, ()))
    outcome = reach.fleet[plan["proxy"]["host"]].run(sh(WRITE, _file(plan), text, timeout=30))
    if not outcome.ok:
        raise TaskFailed(f"whom the proxy lists could not be noted: {outcome.err.strip()}")


def _file(plan: Mapping[str, Any]) -> str:
    proxy = plan["proxy"]
    home = next(host["state_dir"] for host in plan["hosts"] if host["name"] == proxy["host"])
    return f"{home}/{proxy['container']}/run/members"
