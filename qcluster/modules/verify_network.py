"""verify_network: probe the NPU fabric and the host network of the play's hosts, and say what is broken.

An action that talks to all hosts of the play side by side; use it with `run_once`. It registers the report in the form
of docs/schemas/verify-network.json and fails unless the network passes. It never changes anything on a host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qcluster.events import Progress
from qcluster.modules.base import Call, Option, Reach, Report, Spec

if TYPE_CHECKING:  # a run that skips the network does without all of it
    from qcluster.network.topology import Topology
    from qcluster.network.verify import Wishes

SERIOUS = ("fail", "unknown")
RETRIES = (0.3, 0.7, 1.5, 3.0)


class VerifyNetwork:
    """One check of all hosts at once."""

    supports_check = True
    spec = Spec(
        {
            "plan": Option("raw", help="The plan's JSON form; without one every host talks to every host."),
            "full": Option("bool", default=False, help="Probe every NPU pair."),
            "pairs": Option("int", default=1, help="NPU pairs of each directed host pair, at least."),
            "budget": Option("float", help="Seconds that the probes may take."),
            "probes": Option("bool", default=True, help="Whether NPUs probe one another."),
            "tcp": Option("bool", default=True, help="Whether TCP between hosts is tried."),
            "fabric": Option(default="auto", choices=("auto", "hccs", "roce"), help="What the NPUs are probed over."),
            "allow_unknown": Option("bool", default=False, help="Go on where something could not be judged."),
            "brief": Option("bool", default=False, help="Findings by name only: the whole report is shown elsewhere."),
            "tool_timeout": Option("float", default=10.0, help="Seconds for one question to a tool."),
            "busy_retries": Option("list", default=RETRIES, elements="float", help="Pauses before asking a busy tool."),
        },
        help="Probe the NPU fabric and the host network; name what is broken.",
    )

    def run(self, call: Call, reach: Reach) -> Report:
        from qcluster.network.dialogue import Dialogue
        from qcluster.network.document import document
        from qcluster.network.verify import verify

        brief = bool(call.args["brief"])
        dialogue = Dialogue(reach.fleet, reach.clock, reach.emit, reach.cancelled, _lost(call, reach))
        outcomes = verify(_topology(call, reach), dialogue, _wishes(call.args))
        report = document(outcomes, bool(call.args["allow_unknown"]))
        for found in report["findings"]:
            host = found["hosts"][0] if found["hosts"] else ""
            text = named(found) if brief or _repeated(report, found) else f"{found['verdict']}: {found['summary']}"
            reach.emit(Progress(reach.clock(), host, "network", "finding", text, data=found))
        return Report(values=report, failed="" if report["passed"] else told(report, brief))


def _repeated(report: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether the failure's own message tells a finding: each is told in full once, elsewhere by its name."""
    return not report["passed"] and found["verdict"] in SERIOUS


def named(found: Mapping[str, Any]) -> str:
    """A finding in a few words."""
    hosts = ", ".join(found["hosts"])
    return f"{found['verdict']}: {found['id']}" + (f" ({hosts})" if hosts else "")


def _lost(call: Call, reach: Reach) -> dict[str, str]:
    """Hosts that belong to the play and dropped out of it before the check."""
    everybody = call.variables.get("ansible_play_hosts_all", reach.play_hosts)
    return {
        host: reach.lost.get(host, "it failed earlier in this run").removeprefix(f"{host}: ")
        for host in everybody
        if host not in reach.play_hosts
    }


def _wishes(args: Mapping[str, Any]) -> Wishes:
    from qcluster.facts.frames import Patience
    from qcluster.network.schedule import Effort
    from qcluster.network.verify import Wishes

    return Wishes(
        effort=Effort(full=args["full"], pairs=args["pairs"], budget=args["budget"]),
        patience=Patience(question=args["tool_timeout"], retries=tuple(args["busy_retries"])),
        fabric=args["fabric"],
        probes=args["probes"],
        tcp=args["tcp"],
    )


def _topology(call: Call, reach: Reach) -> Topology:
    """Who talks to whom, among the hosts of the play that are still in it."""
    from qcluster.network.topology import from_plan, without_plan

    names = ("ip", "ansible_host", "hardware", "npus", "nic")
    variables = {
        host: {name: call.template(words[name]) for name in names if name in words}
        for host in reach.play_hosts
        for words in (reach.variables_of(host),)
    }
    plan = call.args["plan"]
    return (from_plan(plan, variables) if plan else without_plan(variables)).within(reach.play_hosts)


def told(report: Mapping[str, Any], brief: bool = False) -> str:
    """The findings that keep the network from passing, one a line, each with its remedy (unless `brief`)."""
    serious = [found for found in report["findings"] if found["verdict"] in SERIOUS]
    whole = [f"{found['verdict']}: {found['summary']}\n    {found['remedy']}" for found in serious]
    lines = [named(found) for found in serious] if brief else whole
    return "\n".join([f"the network does not pass ({report['verdict']})", *lines])


verify_network = VerifyNetwork()
