"""Carrying out one module on one host: probe, decide, act; or an action on the controller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qcluster.command import Step
from qcluster.engine.dressed import carry_out
from qcluster.errors import QclusterError, TaskFailed, UnreachableError
from qcluster.modules.base import Action, Call, Decision, Module, Reach, Report
from qcluster.result import Diff, Outcome
from qcluster.transport.base import Transport

NO_CHECK = "remote module does not support check mode"


@dataclass
class Raw:
    """What one attempt gave. `values` are in Ansible's form, with `changed`, `failed`, `skipped`, `unreachable`."""

    values: dict[str, Any]
    diffs: tuple[Diff, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    facts_for: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fatal: int = 0

    @property
    def failed(self) -> bool:
        return bool(self.values.get("failed"))


Launch = Callable[[Transport, Decision], Raw]
"""Starts the steps of a decision as a detached job."""


def skipped(reason: str, **more: Any) -> Raw:
    return Raw({"changed": False, "skipped": True, "skip_reason": reason, **more})


def failed(message: str, **more: Any) -> Raw:
    return Raw({"changed": False, "failed": True, "msg": message, **more})


def act(module: Module, call: Call, transport: Transport, launch: Launch | None = None) -> Raw:
    """Ask, decide and do. In check mode nothing is done; `launch` detaches what there is to do."""
    probe = module.probe(call)
    decision = module.decide(call, transport.run(probe) if probe else None)
    if decision.failed:
        return Raw({"changed": False, **decision.values, "failed": True, "msg": decision.failed}, decision.diffs)
    if decision.skipped:
        return Raw({"msg": decision.skipped, **decision.values, "changed": False, "skipped": True}, decision.diffs)
    if launch and decision.steps and not call.check:
        return launch(transport, decision)
    return finished(decision, [] if call.check else carry_out(transport, decision.steps))


def finished(decision: Decision, outcomes: Sequence[Outcome]) -> Raw:
    """What a decision and the outcomes of its steps come to."""
    changed = bool(decision.steps) if decision.changed is None else decision.changed
    values = {**decision.values, "changed": changed}
    if decision.finish and (outcomes or not decision.steps):
        values.update(_finish(decision, outcomes))
    if outcomes and outcomes[-1].timed_out:
        return Raw({**values, **_timed_out(outcomes[-1])}, decision.diffs)
    if outcomes and not outcomes[-1].ok:
        return Raw({**_failure(decision.steps, outcomes), **values, "failed": True}, decision.diffs)
    return Raw(values, decision.diffs)


def _finish(decision: Decision, outcomes: Sequence[Outcome]) -> Mapping[str, Any]:
    """`finish` for steps that went well; where one failed it may still tell what came of the last command."""
    assert decision.finish
    if not outcomes or outcomes[-1].ok:
        return decision.finish(outcomes)
    try:
        return decision.finish(outcomes)
    except TaskFailed as error:
        return {"msg": str(error)}
    except (IndexError, ValueError, KeyError):
        return {}


def _timed_out(last: Outcome) -> dict[str, Any]:
    period = last.command.timeout or 0.0
    whole = int(period) if period.is_integer() else period
    told = {"msg": f"Timed out after {period:g} second(s).", "timedout": {"period": whole}}
    return {**told, "changed": False, "failed": True}


def _failure(steps: Sequence[Step], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    last = outcomes[-1]
    said = last.err.strip() or last.out.strip()
    reason = f"killed by {last.signal}" if last.signal else f"exit code {last.exit}"
    return {"msg": said or reason, "rc": last.exit, "stdout": last.out, "stderr": last.err}


def run_action(action: Action, call: Call, reach: Reach) -> Raw:
    """Run an action and put its report into Ansible's form."""
    if call.check and not action.supports_check:
        return skipped(NO_CHECK, msg=NO_CHECK)
    try:
        report = action.run(call, reach)
    except UnreachableError:
        raise
    except QclusterError as error:
        return Raw({"changed": False, "failed": True, "msg": str(error)}, fatal=_fatal(error))
    return Raw(_told(report), report.diffs, report.facts, report.facts_for, report.fatal)


def _fatal(error: QclusterError) -> int:
    """Bad input (2) and a cluster that does not serve (4) end the run for everybody."""
    return error.exit_code if error.exit_code in (2, 4) else 0


def _told(report: Report) -> dict[str, Any]:
    values = {**report.values, "changed": report.changed}
    if report.failed:
        return {**values, "failed": True, "msg": report.failed}
    if report.skipped:
        return {"msg": report.skipped, **values, "skipped": True}
    return values
