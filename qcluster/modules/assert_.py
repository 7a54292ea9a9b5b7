"""assert: conditions that must hold."""

from __future__ import annotations

from typing import Any

from qcluster.command import Command
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.result import Outcome


class Assert:
    """Each of `that` is an expression without braces, as in `when`; its value is true or false, nothing else."""

    spec = Spec(
        {
            "that": Option("raw", required=True, help="One condition, or several that all must hold."),
            "fail_msg": Option("raw", default="Assertion failed", aliases=("msg",)),
            "success_msg": Option("raw", default="All assertions passed"),
            "quiet": Option("bool", default=False),
        },
        help="Fail where a condition does not hold.",
    )

    def probe(self, call: Call) -> Command | None:
        return None

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        that = call.args["that"]
        for condition in that if isinstance(that, list) else [that]:
            held = _held(call, condition)
            if not isinstance(held, bool):
                kind = type(held).__name__
                return Decision(failed=f"{condition}: a condition is true or false, this is {kind}: {held!r}")
            if not held:
                message = call.args["fail_msg"]
                return Decision(
                    failed=str(message), values={"assertion": condition, "evaluated_to": False, "msg": message}
                )
        return Decision(values={"msg": call.args["success_msg"]})


def _held(call: Call, condition: Any) -> Any:
    return call.evaluate(condition) if isinstance(condition, str) else condition


assert_ = Assert()
