"""End the run with a message and an exit code (`qcluster/errors.py`), for everybody: what `fail` cannot say."""

from __future__ import annotations

from qcluster.modules.base import Call, Option, Reach, Report, Spec


class EndRun:
    spec = Spec(
        {
            "msg": Option("str", required=True, help="Why."),
            "exit": Option("int", default=1, choices=(1, 2, 3, 4), help="The run's exit code."),
        },
        help="End the run with an exit code: 1 a task failed, 2 bad input, 3 unreachable, 4 it does not serve.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        code = int(call.args["exit"])
        return Report(failed=str(call.args["msg"]), fatal=code if code != 1 else 0)


end_run = EndRun()
