"""Fail a host that cannot carry its part of the plan, naming everything that stands in the way. Touches nothing."""

from __future__ import annotations

from qcluster.diagnose.preflight import Question, judge
from qcluster.modules.base import Call, Reach, Report, Spec
from qcluster.modules.streams import progress


class Preflight:
    spec = Spec({}, help="Compare the fact qcluster_facts with the plan; fail with every problem at once.")
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        question = of(call)
        if question is None:
            return Report(skipped="this host has no part in the plan")
        findings = judge(question)
        values = {"findings": [vars(finding) for finding in findings]}
        for finding in findings:
            if finding.level == "warning":
                told = {"id": finding.id, "summary": finding.what, "remedy": finding.remedy}
                progress(reach, call.host, str(finding), kind="finding", data=told)
        errors = [str(finding) for finding in findings if finding.level == "error"]
        return Report(failed="\n".join(errors), values=values)


def of(call: Call) -> Question | None:
    """This host's question, from its variables."""
    plan = call.variables["qcluster_plan"]
    part = next((host for host in plan["hosts"] if host["name"] == call.host), None)
    if part is None:
        return None
    return Question(
        host=part,
        instances=call.variables["qcluster_instances"],
        ports=[use for use in plan["ports"] if use["host"] == call.host],
        facts=call.variables["qcluster_facts"],
        deployment=plan["deployment"],
        release=plan["release"],
        proxy=proxy if (proxy := plan["proxy"]) and proxy["host"] == call.host else {},
    )


preflight = Preflight()
