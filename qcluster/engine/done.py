"""What the attempts of a task on one host come to: items joined, verdicts, and what `no_log` hides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qcluster.engine.act import Raw
from qcluster.engine.included import Ask
from qcluster.engine.job import Job
from qcluster.modules.set_fact import CACHEABLE
from qcluster.result import Diff, Status, TaskResult


@dataclass(frozen=True)
class Done:
    """What one task did on one host, and what follows from it. `registered` is never censored. `facts_to` is the host
    that facts belong to, where that is another one (`delegate_facts`); `lasting`: what set_fact gives is a fact."""

    result: TaskResult
    registered: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    facts_to: str = ""
    lasting: bool = False
    facts_for: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notify: tuple[str, ...] = ()
    asks: tuple[Ask, ...] = ()
    fatal: int = 0


@dataclass
class Attempted:
    """One item (or the whole task, where there is no loop) and the words of the task that depended on it."""

    raw: Raw
    ignore_errors: bool = False
    ignore_unreachable: bool = False
    no_log: bool = False
    notify: tuple[str, ...] = ()
    ask: Ask | None = None
    facts_to: str = ""


def joined(parts: list[Attempted]) -> Attempted:
    """All items of a loop as one result, as Ansible joins them."""
    if len(parts) == 1 and "ansible_loop_var" not in parts[0].raw.values:
        return parts[0]
    results = [part.raw.values for part in parts]
    bad = [part for part in parts if part.raw.failed]
    lost = [part for part in parts if part.raw.values.get("unreachable")]
    return Attempted(
        Raw(_summary(results), diffs=tuple(diff for part in parts for diff in part.raw.diffs), fatal=_worst(parts)),
        ignore_errors=all(part.ignore_errors for part in bad),
        ignore_unreachable=all(part.ignore_unreachable for part in lost),
        no_log=any(part.no_log for part in parts),
        notify=tuple(dict.fromkeys(name for part in parts for name in part.notify)),
    )


def _worst(parts: list[Attempted]) -> int:
    return next((part.raw.fatal for part in parts if part.raw.fatal), 0)


def _summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    if not results:
        reason = "No items in the list"
        return {"changed": False, "skipped": True, "skipped_reason": reason, "results": []}
    summary: dict[str, Any] = {"results": results, "msg": "All items completed"}
    for word in ("changed", "failed", "unreachable"):
        summary[word] = any(one.get(word) for one in results)
    summary["skipped"] = all(one.get("skipped") for one in results)
    if summary["failed"]:
        summary["msg"] = "One or more items failed"
    if summary["skipped"]:
        summary["msg"] = "All items skipped"
    if not summary["unreachable"]:
        del summary["unreachable"]
    return summary


def done(job: Job, whole: Attempted, parts: list[Attempted], elapsed: float) -> Done:
    """The value that a task on a host comes to."""
    raws = [part.raw for part in parts]
    lasting = [raw.values.pop(CACHEABLE, False) for raw in raws]
    return Done(
        result=result_of(job, whole, whole.raw, elapsed),
        registered=whole.raw.values,
        facts=_merged(raws),
        facts_to=next((part.facts_to for part in parts if part.facts_to), ""),
        lasting=any(lasting),
        facts_for={host: facts for raw in raws for host, facts in raw.facts_for.items()},
        notify=whole.notify,
        asks=tuple(part.ask for part in parts if part.ask),
        fatal=whole.raw.fatal,
    )


def _merged(raws: list[Raw]) -> Mapping[str, Any]:
    """The facts of all items that did not fail, later ones winning."""
    merged: dict[str, Any] = {}
    for raw in raws:
        if not raw.failed:
            merged.update(raw.facts)
            merged.update(raw.values.get("ansible_facts") or {})
    return merged


def result_of(job: Job, part: Attempted, raw: Raw, elapsed: float) -> TaskResult:
    """A result as reports and `register` see it."""
    values = raw.values
    return TaskResult(
        host=job.host,
        status=_status(values),
        values=_censored(values) if part.no_log else values,
        message="" if part.no_log else _message(values),
        ignored=_ignored(part, values),
        diffs=_shown(job, part, raw.diffs),
        elapsed=elapsed,
        no_log=part.no_log,
    )


def _message(values: Mapping[str, Any]) -> str:
    """What a person is told. `register` keeps Ansible's words for a loop; here the first item that failed says why."""
    bad = [one for one in values.get("results") or () if isinstance(one, Mapping) and one.get("failed")]
    reason = next((str(one["msg"]) for one in bad if one.get("msg")), "")
    if not (values.get("failed") and reason):
        return str(values.get("msg") or "")
    return f"{len(bad)} of {len(values['results'])} items failed: {reason}" if len(values["results"]) > 1 else reason


def _ignored(part: Attempted, values: Mapping[str, Any]) -> bool:
    if values.get("unreachable"):
        return part.ignore_unreachable
    return bool(values.get("failed")) and part.ignore_errors


def _shown(job: Job, part: Attempted, diffs: tuple[Diff, ...]) -> tuple[Diff, ...]:
    wanted = job.task.scope.get("diff", job.world.options.diff)
    return diffs if wanted and not part.no_log else ()


def _status(values: Mapping[str, Any]) -> Status:
    if values.get("unreachable"):
        return Status.UNREACHABLE
    if values.get("failed"):
        return Status.FAILED
    if values.get("skipped"):
        return Status.SKIPPED
    return Status.CHANGED if values.get("changed") else Status.OK


CENSORED = "the output has been hidden due to the fact that 'no_log: true' was specified for this result"
_KEPT = ("attempts", "changed", "retries", "failed", "unreachable", "skipped")


def _censored(values: Mapping[str, Any]) -> dict[str, Any]:
    """What Ansible shows of a result under no_log: verdicts only, those of each item too."""
    kept = {"censored": CENSORED, **{name: values[name] for name in _KEPT if name in values}}
    return {**kept, "results": [_censored(one) for one in values["results"]]} if "results" in values else kept
