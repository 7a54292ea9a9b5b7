"""Whether the proxy has ended, and what it said last: nobody waits for what is dead. Source: issue 6, Start watcher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qcluster.diagnose.catalogue import diagnose
from qcluster.facts import instances
from qcluster.facts.fact import ask
from qcluster.facts.instances import Running
from qcluster.modules.base import Reach

SHOWN = 8


def death(reach: Reach, plan: Mapping[str, Any]) -> str:
    """What became of the proxy, with a known cause and its last lines; empty while it runs (or is only starting)."""
    proxy = plan["proxy"]
    home = next(host["state_dir"] for host in plan["hosts"] if host["name"] == proxy["host"])
    asked = instances.Asked("proxy", proxy["log"], f"{home}/{proxy['container']}/run", "entry")
    found = ask(reach.fleet[proxy["host"]].run, instances.running(plan["deployment"], [asked]))
    state = _ended(found, proxy)
    if not state:
        return ""
    return "\n".join([f"the proxy on {proxy['host']} {state}; `qcluster up` starts it again", *_words(found)])


def _ended(found: Running, proxy: Mapping[str, Any]) -> str:
    if not proxy["image"]:
        state = found.engines[0].state if found.engines else "never"
        return "" if state == "running" else "does not run any more"
    box = next((one for one in found.containers if one.name == proxy["container"]), None)
    if box is None:
        return "is not there: no container of that name"
    return "" if box.state in ("running", "created", "restarting") else f"has ended: {box.status or box.state}"


def _words(found: Running) -> list[str]:
    tail = [line for engine in found.engines for line in engine.tail]
    known = [match for match in diagnose(tail, "proxy") if match.entry.kind == "cause"][:1]
    lines = [
        line for one in known for line in (f"cause: {one.entry.cause} [{one.entry.id}]", f"remedy: {one.entry.remedy}")
    ]
    quoted = ["its last lines:", *(f"  {line[:200]}" for line in tail[-SHOWN:])] if tail else ["it wrote no log"]
    return [*lines, *quoted]
