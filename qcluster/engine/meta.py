"""`meta:` tasks, and the question that --step asks."""

from __future__ import annotations

from qcluster.engine.batch import Batch
from qcluster.engine.conditions import all_hold
from qcluster.engine.walk import Answer, Step
from qcluster.templating import Templar

FOR_ALL = ("end_play", "end_batch")
"""Under `linear` these are decided for all hosts at once, by the condition of the first (as in Ansible)."""


def do(batch: Batch, host: str, step: Step) -> None:
    """Carry out a `meta` task for one host. `flush_handlers` is done by the walk itself."""
    word = step.task.args
    if not all_hold(step.task.scope.when, Templar(batch.job(host, step).view())):
        batch.skip_meta(host)
    elif word == "end_host":
        batch.leave(host)
    elif word in FOR_ALL:
        batch.end(for_all=word == "end_play")
    else:
        batch.advance(host, Answer())


def allowed(batch: Batch, step: Step) -> bool:
    """Under --step: ask whether to do a task. `c` stops asking."""
    world = batch.world
    if not world.stepping:
        return True
    answer = world.options.ask(f"Perform task: {step.task.title} (N)o/(y)es/(c)ontinue: ").strip().lower()
    if answer in ("c", "continue"):
        world.stepping = False
    return answer in ("y", "yes", "c", "continue")
