"""Detached jobs: a task with `async` starts its commands, and looks at them every `poll` seconds, or never."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qcluster.command import Command, Put
from qcluster.engine.act import Launch, Raw, failed, finished
from qcluster.engine.dressed import carry_out
from qcluster.engine.job import Job
from qcluster.engine.keywords import number
from qcluster.facts import async_jobs
from qcluster.facts.async_jobs import AsyncState
from qcluster.modules.base import Call, Decision
from qcluster.modules.command import lines
from qcluster.result import Outcome
from qcluster.templating import Templar
from qcluster.transport.base import Transport


@dataclass(frozen=True)
class Launcher:
    """Starts a decision's commands as one job of at most `limit` seconds; `poll` 0 does not wait for it."""

    state_dir: str
    limit: int
    poll: float
    sleep: Callable[[float], None]

    def __call__(self, transport: Transport, decision: Decision) -> Raw:
        puts = carry_out(transport, [step for step in decision.steps if isinstance(step, Put)])
        commands = [step for step in decision.steps if isinstance(step, Command)]
        if not commands or (puts and not puts[-1].ok):
            return finished(decision, puts)
        name = f"j{secrets.token_hex(8)}"
        folder = async_jobs.folder(self.state_dir, name)
        begun = transport.run(async_jobs.start(folder, self.limit, commands, _told(decision)))
        if not begun.ok:
            return failed(f"the job could not be started: {begun.err.strip() or begun.exit}")
        told = {"ansible_job_id": name, "results_file": begun.out or folder, "started": True}
        if not self.poll:
            return Raw({**told, "finished": False, "changed": True})
        raw = self._await(transport, folder, decision, commands[-1])
        raw.values = {**told, "finished": True, **raw.values}
        return raw

    def _await(self, transport: Transport, folder: str, decision: Decision, last: Command) -> Raw:
        """Look at the job until it is over; the host itself ends it after `limit` seconds."""
        left = float(self.limit)
        while True:
            self.sleep(min(self.poll, max(left, 0.1)))
            left -= self.poll
            state = async_jobs.parse(transport.run(async_jobs.status(folder)))
            if state.state != "running":
                transport.run(async_jobs.cleanup(folder))
                return self._over(state, decision, last)
            if left <= -2 * self.poll:
                return _late(self.limit)

    def _over(self, state: AsyncState, decision: Decision, last: Command) -> Raw:
        if state.state != "finished":
            return failed("the job is gone without an exit code")
        if state.exit in (124, 137):
            return _late(self.limit)
        outcome = Outcome(last, state.exit, state.stdout, state.stderr)
        return finished(decision, [outcome])


def _late(limit: int) -> Raw:
    """What Ansible registers of a job that took too long."""
    nothing = lines({"stdout": "", "stderr": ""})
    return failed(f"async task did not complete within the requested time - {limit}s", **nothing)


def _told(decision: Decision) -> dict[str, Any]:
    return {name: value for name, value in decision.values.items() if value is not None}


def launcher(job: Job, call: Call, templar: Templar) -> Launch | None:
    """How a task's steps are detached; None where it has no `async`."""
    limit = int(number(templar.render(job.task.job_limit) or 0, "async"))
    if not limit:
        return None
    return Launcher(call.state_dir, limit, number(templar.render(job.task.poll), "poll"), job.world.options.sleep)
