"""How the hosts of a batch go through a play (`strategy`): in lockstep (`linear`), or each at its own pace (`free`)."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from qcluster.engine import meta
from qcluster.engine.batch import Batch
from qcluster.engine.crew import Crew
from qcluster.engine.perform import perform
from qcluster.engine.walk import Answer, Step
from qcluster.templating import Templar


def linear(batch: Batch, crew: Crew) -> None:
    """All hosts finish a task before any begins the next."""
    while batch.goes_on and (hosts := batch.group()):
        step = batch.step_of(hosts[0])
        if step.task.module == "meta":
            decide = hosts[:1] if step.task.args in meta.FOR_ALL else hosts
            for host in decide:
                meta.do(batch, host, step)
            for host in hosts[len(decide) :]:
                batch.skip_meta(host)
        elif not meta.allowed(batch, step):
            for host in hosts:
                batch.advance(host, Answer(ran=False))
        else:
            lockstep(batch, crew, step, hosts)


def lockstep(batch: Batch, crew: Crew, step: Step, hosts: list[str]) -> None:
    """One task on its hosts (on the first only, with `run_once`, and for a module that stands for all of them)."""
    once = flag(batch, step, hosts[0], "run_once")
    alone = once or getattr(batch.bench.ready(step.task).module, "once", False)
    chosen = hosts[:1] if alone else hosts
    for host in chosen:
        batch.begin(host, step)
    answers = _all(batch, crew, step, chosen, hosts if once else [])
    failed = {host for host, answer in answers.items() if answer.failed}
    for host in failed:
        batch.advance(host, answers[host])
    if batch.world.fatal:
        return  # the run ends with that exit code; nobody else has failed
    ends = bool(failed) and (once or flag(batch, step, hosts[0], "any_errors_fatal"))
    ends = ends or batch.too_many_failed()
    for host in hosts:  # where they are: a failure that counts for all is rescued in the block of this task
        if host not in failed:
            batch.advance(host, Answer(failed=True) if ends else answers.get(host, Answer()))
    if ends:
        batch.fail_all(set(batch.places) - set(hosts))


def _all(batch: Batch, crew: Crew, step: Step, chosen: list[str], everywhere: list[str]) -> dict[str, Answer]:
    """Do a step on these hosts, `throttle` at a time."""
    width, answers = throttle(batch, step, chosen[0]) or len(chosen), dict[str, Answer]()
    for first in range(0, len(chosen), width):
        hosts = chosen[first : first + width]
        results = crew.run((host, partial(perform, batch.job(host, step))) for host in hosts)
        answers |= {host: batch.take(host, step, results[host], everywhere) for host in hosts}
    return answers


def free(batch: Batch, crew: Crew) -> None:
    """No host waits for another, but where `throttle` says so."""
    free_run = _Free(batch, crew)
    for host in list(batch.waiting()):
        free_run.start(host)
    while free_run.running:
        free_run.finish_one()


class _Free:
    """Hosts at their own pace. `held` are those that wait for a throttled task."""

    def __init__(self, batch: Batch, crew: Crew):
        self._batch, self._crew = batch, crew
        self.running = 0
        self._busy: defaultdict[str, int] = defaultdict(int)
        self._held: defaultdict[str, list[str]] = defaultdict(list)

    def start(self, host: str) -> None:
        """Begin the next task of a host, if there is one and it may."""
        batch = self._batch
        while batch.goes_on and (step := batch.places[host].next):
            if step.task.module == "meta":
                meta.do(batch, host, step)
            elif not meta.allowed(batch, step):
                batch.advance(host, Answer(ran=False))
            elif 0 < throttle(batch, step, host) <= self._busy[step.task.uid]:
                return self._held[step.task.uid].append(host)
            else:
                return self._submit(host, step)
        return None

    def _submit(self, host: str, step: Step) -> None:
        self._batch.begin(host, step)
        self._crew.submit((host, step), partial(perform, self._batch.job(host, step)))
        self._busy[step.task.uid] += 1
        self.running += 1

    def finish_one(self) -> None:
        """Take over the next result, and let go on who can."""
        (host, step), done = self._crew.next_done()
        self.running -= 1
        self._busy[step.task.uid] -= 1
        self._batch.settle(host, step, done)
        if self._held[step.task.uid]:
            self.start(self._held[step.task.uid].pop(0))
        self.start(host)


def flag(batch: Batch, step: Step, host: str, name: str) -> bool:
    """A keyword that decides for all hosts at once; a template in it is rendered for the first."""
    value = step.task.scope.get(name, False)
    if isinstance(value, bool):
        return value
    job = batch.job(host, step)
    return job.flag(name, Templar(job.view()))


def throttle(batch: Batch, step: Step, host: str) -> int:
    """How many hosts may do a task at the same time; 0: all."""
    value = step.task.scope.get("throttle")
    if value is None or isinstance(value, int):
        return value or 0
    job = batch.job(host, step)
    return int(job.number("throttle", Templar(job.view())) or 0)


STRATEGIES = {"linear": linear, "free": free}
