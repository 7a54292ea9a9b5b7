"""fail: stop here with a message."""

from __future__ import annotations

from qcluster.command import Command
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome


class Fail:
    """Always fails."""

    spec = Spec({"msg": Option("raw", default="Failed as requested from task")}, help="Fail with a message.")

    def probe(self, call: Call) -> Command | None:
        return None

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        return Decision(failed=str(call.args["msg"]), values={"msg": call.args["msg"]})


fail = Fail()
