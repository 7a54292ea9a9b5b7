"""One task on one host, from its conditions to its result: loop, when, retries, changed_when, failed_when.

Runs in a worker thread. It reads what the run knows and gives back a value; it changes nothing shared.
"""

from __future__ import annotations

import traceback
from typing import Any, cast

from qcluster.engine import jobs
from qcluster.engine.act import Raw, act, failed, run_action, skipped
from qcluster.engine.conditions import all_hold, first_false
from qcluster.engine.done import Attempted, Done, done, joined, result_of
from qcluster.engine.dressed import dressed
from qcluster.engine.included import Ask
from qcluster.engine.job import Job
from qcluster.engine.keywords import number
from qcluster.engine.loop import Loop
from qcluster.engine.variables import View
from qcluster.errors import QclusterError, UnreachableError
from qcluster.events import HostRetrying, ItemFinished
from qcluster.modules.base import Module
from qcluster.modules.table import is_action
from qcluster.playbook.model import Task
from qcluster.templating import OMIT, Templar, TemplateError, unsafe

DEFAULT_RETRIES = 3
HIDDEN = "(censored due to no_log)"


def perform(job: Job) -> Done:
    """Run a task to the end. Never raises for what went wrong on a host."""
    began = job.world.clock()
    parts = _items(job) if job.task.loop is not None else [_one(job, job.view())]
    whole = parts[0] if job.task.loop is None else joined(parts)
    return done(job, whole, parts, job.world.clock() - began)


def _items(job: Job) -> list[Attempted]:
    """The task for each item of its loop; a list that cannot be had fails the task, unless it is skipped anyway."""
    view = job.view()
    templar = Templar(view)
    try:
        loop = Loop.of(job.task, templar)
    except TemplateError as error:
        return [_one(job, view, error)]
    parts: list[Attempted] = []
    for more in loop.items(job.world.options.sleep):
        part = _one(job, view.over(more))
        part.raw.values.update(more)
        parts.append(part)
        view = _after(job.task, view, part.raw)
        seen = view.over(more)
        label = loop.label(seen, more, part.raw)
        _tell_item(job, part, HIDDEN if part.no_log else label)
        if loop.ends(seen):
            break
    return parts


def _tell_item(job: Job, part: Attempted, label: str) -> None:
    result = result_of(job, part, part.raw, 0.0)
    world, uid = job.world, job.task.uid
    world.emit(ItemFinished(world.clock(), job.play, job.title, uid, job.host, label, result))


def _one(job: Job, view: View, trouble: TemplateError | None = None) -> Attempted:
    """One run of the task; every error that belongs to this host becomes its value."""
    part, view = Attempted(Raw({})), job.addressed(view)
    templar = Templar(view)
    try:
        part.no_log = job.flag("no_log", templar)
        part.ignore_errors = job.flag("ignore_errors", templar)
        part.ignore_unreachable = job.flag("ignore_unreachable", templar)
        part.raw = _checked(job, view, templar, part, trouble)
    except UnreachableError as error:
        part.raw = Raw({"unreachable": True, "changed": False, "msg": str(error)})
    except QclusterError as error:
        part.raw = failed(str(error))
    except Exception as error:
        part.raw = failed(f"unexpected failure: {type(error).__name__}: {error}", exception=traceback.format_exc())
    return part


def _checked(job: Job, view: View, templar: Templar, part: Attempted, trouble: TemplateError | None) -> Raw:
    try:
        false = first_false(job.task.scope.when, templar)
    except TemplateError as error:
        raise trouble or error from None
    if false is not None:
        return skipped("Conditional result was False", false_condition=false)
    if trouble:
        raise trouble
    if job.ready.module is None:
        part.ask = Ask(job.task, job.ready.args(templar), _params(job, view))
        named = {"include": part.ask.args["file"]} if "file" in part.ask.args else {}
        return Raw({"changed": False, "include_args": part.ask.args, **named})
    raw = _attempts(job, view, templar)
    part.facts_to = job.target(templar) if job.flag("delegate_facts", templar) else ""
    part.notify = _names(job.task, templar) if raw.values.get("changed") and job.task.notify else ()
    return raw


def _params(job: Job, view: View) -> dict[str, Any]:
    """What an include hands on to its tasks: its own `vars`, and the variables of its loop."""
    looped = view.layers[0] if job.task.loop is not None else {}
    return {**looped, **job.task.own_vars}


def _names(task: Task, templar: Templar) -> tuple[str, ...]:
    rendered = [templar.render(name) for name in task.notify]
    flat = [one for name in rendered for one in (name if isinstance(name, list) else [name])]
    return tuple(str(name) for name in flat if name is not OMIT)


def _attempts(job: Job, view: View, templar: Templar) -> Raw:
    """Once, or until it is done: the task fails when no attempt is left."""
    total = _total(job.task, templar)
    for attempt in range(1, total + 1):
        raw = _attempt(job, view, templar)
        if total > 1:
            raw.values["attempts"] = attempt
        after = Templar(_after(job.task, view, raw))
        _judge(job.task, raw, after)
        if total == 1 or all_hold(job.task.until or (not raw.failed,), after):
            return raw
        if attempt < total and not job.world.options.cancelled.is_set():
            _tell_retry(job, raw, attempt, total)
            job.world.options.sleep(_delay(job.task, templar))
    raw.values.update(attempts=total - 1, failed=True)
    return raw


def _total(task: Task, templar: Templar) -> int:
    if task.retries is None:
        return 1 + DEFAULT_RETRIES if task.until else 1
    return 1 + max(0, int(number(templar.render(task.retries), "retries")))


def _delay(task: Task, templar: Templar) -> float:
    delay = number(templar.render(task.delay), "delay")
    return delay if delay >= 0 else 1.0


def _tell_retry(job: Job, raw: Raw, attempt: int, total: int) -> None:
    part = Attempted(raw, no_log=bool(job.task.scope.get("no_log")))
    result, world, uid = result_of(job, part, raw, 0.0), job.world, job.task.uid
    world.emit(HostRetrying(world.clock(), job.play, job.title, uid, job.host, attempt, total - 1, result))


def _attempt(job: Job, view: View, templar: Templar) -> Raw:
    """The module itself, once."""
    target = job.target(templar)
    call, dress = job.call(view, templar), job.dress(target, view, templar)
    transport = dressed(job.transport(target), dress)
    module = job.ready.module
    assert module is not None
    if is_action(module):
        raw = run_action(module, call, job.reach(transport))
    else:
        raw = act(cast(Module, module), call, transport, jobs.launcher(job, call, templar))
    raw.values = unsafe(raw.values)
    return _failed_by_code(raw)


def _failed_by_code(raw: Raw) -> Raw:
    """A result without a verdict fails when its `rc` is not 0."""
    raw.values.setdefault("failed", raw.values.get("rc") not in (None, 0, "0"))
    return raw


def _after(task: Task, view: View, raw: Raw) -> View:
    """The variables with the result and the facts it brought, for what is asked after the act."""
    more = dict(raw.values.get("ansible_facts") or raw.facts)
    if task.register:
        more[task.register] = raw.values
    return view.over(more) if more else view


def _judge(task: Task, raw: Raw, templar: Templar) -> None:
    """changed_when and failed_when; what cannot be evaluated fails the task."""
    if raw.values.get("skipped"):
        return
    word = "changed"
    try:
        if task.changed_when:
            raw.values["changed"] = all_hold(task.changed_when, templar)
        word = "failed"
        if task.failed_when:
            raw.values["failed"] = raw.values["failed_when_result"] = all_hold(task.failed_when, templar)
    except TemplateError as error:
        raw.values.update({"failed": True, f"{word}_when_result": str(error), "msg": str(error)})
