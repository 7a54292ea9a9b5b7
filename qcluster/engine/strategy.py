"""How the hosts of a batch go through a play: in lockstep, or each at its own pace."""

from __future__ import annotations

from functools import partial

from qcluster.engine import meta
from qcluster.engine.batch import Batch
from qcluster.engine.crew import Crew
from qcluster.engine.perform import perform
from qcluster.engine.walk import Answer, Step


def linear(batch: Batch, crew: Crew) -> None:
    """All hosts finish a task before any begins the next."""
    while not batch.ended and (hosts := batch.group()):
        step = batch.step_of(hosts[0])
        if step.task.module == "meta":
            for host in hosts:
                meta.do(batch, host, step)
        elif not meta.allowed(batch, step):
            skip(batch, hosts)
        else:
            lockstep(batch, crew, step, hosts)


def lockstep(batch: Batch, crew: Crew, step: Step, hosts: list[str]) -> None:
    """One task on its hosts (on the first only, with `run_once`)."""
    once = bool(step.task.scope.get("run_once"))
    chosen = hosts[:1] if once else hosts
    for host in chosen:
        batch.begin(host, step)
    width = int(step.task.scope.get("throttle") or 0) or len(chosen)
    failed = set[str]()
    for first in range(0, len(chosen), width):
        jobs = [(host, partial(perform, batch.job(host, step))) for host in chosen[first : first + width]]
        results = crew.run(jobs)
        failed |= {host for host, _ in jobs if batch.settle(host, step, results[host], hosts if once else ())}
    if once:
        for host in hosts[1:]:
            batch.advance(host, Answer(failed=bool(failed)))
    _others(batch, step, failed, set(hosts), once)


def _others(batch: Batch, step: Step, failed: set[str], hosts: set[str], once: bool) -> None:
    """What a failure means for the hosts that did not fail: any_errors_fatal and max_fail_percentage."""
    if failed and (once or step.task.scope.get("any_errors_fatal")):
        batch.fail_all(set(batch.places) - failed)
    limit = batch.play.max_fail_percentage
    if limit is not None and len(batch.bad) / len(batch.hosts) > float(limit) / 100:
        batch.fail_all(set(batch.places) - failed)


def skip(batch: Batch, hosts: list[str]) -> None:
    for host in hosts:
        batch.advance(host, Answer())


def free(batch: Batch, crew: Crew) -> None:
    """No host waits for another."""
    running = sum(_start(batch, crew, host) for host in list(batch.waiting()))
    while running:
        (host, step), done = crew.next_done()
        running -= 1
        batch.settle(host, step, done)
        running += _start(batch, crew, host)


def _start(batch: Batch, crew: Crew, host: str) -> int:
    """Begin the next task of a host; 0 where there is none."""
    while (step := batch.places[host].next) and not batch.ended:
        if step.task.module == "meta":
            meta.do(batch, host, step)
        elif not meta.allowed(batch, step):
            batch.advance(host, Answer())
        else:
            batch.begin(host, step)
            crew.submit((host, step), partial(perform, batch.job(host, step)))
            return 1
    return 0


STRATEGIES = {"linear": linear, "free": free}
