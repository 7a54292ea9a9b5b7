"""debug: show a message or a variable."""

from __future__ import annotations

from qcluster.command import Command
from qcluster.errors import QclusterError
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome


class Debug:
    """`var` is an expression without braces; one that is undefined is shown as such, it does not fail."""

    spec = Spec(
        {
            "msg": Option("raw", default="Hello world!", help="The message; anything that can be shown."),
            "var": Option(help="The expression to show."),
            "verbosity": Option("int", default=0, help="Show only from this many -v on."),
        },
        mutually_exclusive=(("msg", "var"),),
        help="Show a message or a variable.",
    )

    def probe(self, call: Call) -> Command | None:
        return None

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        if call.args["verbosity"] > call.verbosity:
            reason = "Verbosity threshold not met."
            return Decision(skipped=reason, values={"skipped_reason": reason})
        if call.args["var"] is None:
            return Decision(values={"msg": call.args["msg"]})
        return Decision(values={call.args["var"]: _shown(call)})


def _shown(call: Call) -> object:
    try:
        return call.evaluate(call.args["var"])
    except QclusterError as error:
        return f"<< error 1 - {error} >>"


debug = Debug()
