"""async_status: how a detached job is, by the `ansible_job_id` that its task registered."""

from __future__ import annotations

from typing import Any

from qcluster.command import Command
from qcluster.facts import async_jobs
from qcluster.facts.async_jobs import AsyncState
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.command import lines
from qcluster.result import Outcome

_NOTHING_YET = {**lines({"stdout": "", "stderr": ""}), "started": False, "finished": False}


class AsyncStatus:
    """`mode: cleanup` forgets a job that is over."""

    spec = Spec(
        {
            "jid": Option(required=True, help="The `ansible_job_id` of the job."),
            "mode": Option(default="status", choices=("status", "cleanup")),
        },
        help="How a job that a task with `async` started is getting on.",
    )

    def probe(self, call: Call) -> Command:
        return async_jobs.status(_folder(call))

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        state = async_jobs.parse(found)
        told = {**_NOTHING_YET, "ansible_job_id": call.args["jid"], "results_file": _folder(call)}
        if call.args["mode"] == "cleanup":
            gone = Decision(changed=False, values={**told, "erased": _folder(call)})
            return gone if state.state == "missing" else _erase(call, told)
        if state.state in ("missing", "lost"):
            reason = "could not find job" if state.state == "missing" else "the job is gone without an exit code"
            return Decision(failed=reason, values={**told, "started": True, "finished": True})
        return Decision(changed=state.state == "finished", values={**told, **values(state)})


def _erase(call: Call, told: dict[str, Any]) -> Decision:
    return Decision((async_jobs.cleanup(_folder(call)),), False, {**told, "erased": _folder(call)})


def _folder(call: Call) -> str:
    return async_jobs.folder(call.state_dir, call.args["jid"])


def values(state: AsyncState) -> dict[str, Any]:
    """A job in Ansible's form: `started`, `finished`, and the result once there is one."""
    if state.state != "finished":
        return {**_NOTHING_YET, "started": True}
    streams = {"stdout": _text(state.stdout), "stderr": _text(state.stderr)}
    failed = {"msg": "non-zero return code"} if state.exit else {}
    return {**state.told, "started": True, "finished": True, **lines({"rc": state.exit, **streams}), **failed}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").rstrip("\r\n")


async_status = AsyncStatus()
