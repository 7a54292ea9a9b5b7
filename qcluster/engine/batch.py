"""Hosts that go through a play together: where each of them is, and what a result means for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from qcluster.engine import included
from qcluster.engine.chosen import chooser, start_key
from qcluster.engine.done import Done
from qcluster.engine.included import Answered, Ask
from qcluster.engine.job import Job
from qcluster.engine.ready import Bench
from qcluster.engine.walk import Answer, Brought, Key, Step, Steps, Walk
from qcluster.engine.world import World
from qcluster.errors import QclusterError, TaskFailed
from qcluster.events import HostFinished, HostStarted, TaskStarted
from qcluster.playbook.handlers import find
from qcluster.playbook.model import Play, Scope, Task
from qcluster.result import Status, TaskResult
from qcluster.templating import Templar, TemplateError, is_template


@dataclass
class Place:
    """Where one host is: its walk, and the step that it will do next (None: it is through)."""

    walk: Walk
    steps: Steps
    next: Step | None = None


class Batch:
    """The hosts of one batch of a play. Only the main thread touches it."""

    def __init__(self, world: World, bench: Bench, hosts: tuple[str, ...], all_hosts: tuple[str, ...]):
        self.world, self.play, self.bench, self.hosts = world, bench.play, bench, hosts
        self.handlers = [bench.named(handler, world.options.extra_vars) for handler in self.play.handlers]
        self.ended = False
        self.over = False
        self.bad: set[str] = set()
        self.failed: set[str] = set()
        self.left: set[str] = set()
        self._all_hosts = all_hosts
        self._answers: dict[str, tuple[int, Answered | QclusterError]] = {}
        self._begun: set[tuple[Key, str]] = set()
        self._magic = self._play_magic()
        self._chosen = chooser(world.options.tags, world.options.skip_tags, start_key_of(world, self.play))
        gone = world.failed | world.unreachable
        self.places = {host: self._place() for host in hosts if host not in gone}

    def _place(self) -> Place:
        setup = setup_task(self.play) if self.play.gather_facts else None
        walk = Walk(self.play, self.handlers, self._chosen, setup, find)
        place = Place(walk, walk.steps())
        place.next = next(place.steps, None)
        return place

    # where hosts are

    def waiting(self) -> Iterable[str]:
        """Hosts that have something to do."""
        return [host for host, place in self.places.items() if place.next]

    def group(self) -> list[str]:
        """The hosts whose next task comes first in the play: they do it together."""
        keys = {host: place.next.key for host, place in self.places.items() if place.next}
        first = min(keys.values(), default=None)
        return [host for host, key in keys.items() if key == first]

    def step_of(self, host: str) -> Step:
        step = self.places[host].next
        assert step is not None
        return step

    def advance(self, host: str, answer: Answer) -> None:
        """Tell a host's walk what came of its step, and let it find the next one."""
        place = self.places[host]
        if place.next is None:
            return  # it was lost
        try:
            place.next = place.steps.send(answer)
        except StopIteration as end:
            place.next = None
            if end.value:
                self._fail(host)

    def stop(self, host: str) -> None:
        """This host does nothing more in this play."""
        self.places[host].steps.close()
        self.places[host].next = None

    def leave(self, host: str) -> None:
        """This host has ended the play for itself: it is none of the play's hosts any more."""
        self.left.add(host)
        self.stop(host)
        self._magic = self._play_magic()

    def end(self, for_all: bool) -> None:
        """No host of this batch goes on; `for_all`: nor do the batches after it."""
        self.ended, self.over = True, for_all
        for host in self.waiting():
            self.stop(host)

    def skip_meta(self, host: str) -> None:
        """A `meta` task whose condition is false does nothing."""
        self.advance(host, Answer(held=True, ran=False))

    def fail_all(self, hosts: Iterable[str]) -> None:
        """These fail where they are, because another host failed."""
        for host in hosts:
            if self.places[host].next:
                self.advance(host, Answer(failed=True))

    @property
    def goes_on(self) -> bool:
        """False once the play has ended for all, the operator stopped it, or something fatal happened."""
        return not (self.ended or self.world.fatal or self.world.options.cancelled.is_set())

    def too_many_failed(self) -> bool:
        """Whether more hosts have failed than `max_fail_percentage` allows."""
        limit = self.play.max_fail_percentage
        return limit is not None and len(self.failed) / len(self.hosts) > limit / 100

    def _fail(self, host: str) -> None:
        self.world.failed.add(host)
        self.failed.add(host)
        self.bad.add(host)
        self._magic = self._play_magic()

    # doing a step

    def job(self, host: str, step: Step) -> Job:
        """The step as a worker will do it."""
        return Job(
            world=self.world,
            ready=self.bench.ready(step.task),
            host=host,
            play=self.play.name,
            title=self.bench.titles.get((step.key, step.task.uid), step.task.title),
            play_hosts=tuple(self._magic["play_hosts"]),
            magic=self._magic,
            params=step.params,
        )

    def begin(self, host: str, step: Step) -> None:
        """Tell that a host begins a task; and the task itself, the first time."""
        world, task, now = self.world, step.task, self.world.clock()
        title = self._title(host, step)
        if (step.key, task.uid) not in self._begun:
            self._begun.add((step.key, task.uid))
            role, where = task.role.name if task.role else "", str(task.where)
            world.emit(TaskStarted(now, self.play.name, title, task.uid, where, task.module, role, step.handler))
        world.emit(HostStarted(now, self.play.name, title, task.uid, host))

    def _title(self, host: str, step: Step) -> str:
        """What reports call a task: its name, rendered for the first host of the play that does it."""
        titles, place = self.bench.titles, (step.key, step.task.uid)
        if place not in titles:
            titles[place] = _rendered(step.task.title, self.job(host, step))
        return titles[place]

    def settle(self, host: str, step: Step, done: Done) -> None:
        """Take a result over, and let the host go on."""
        self.advance(host, self.take(host, step, done))

    def take(self, host: str, step: Step, done: Done, everywhere: Iterable[str] = ()) -> Answer:
        """Take a result over: facts, notifications, counters, events. Gives what its walk is to be told.

        `everywhere`: the hosts that a `run_once` result counts for.
        """
        result, answer = self._answer(host, step, done)
        self._learn(host, step.task, done, list(everywhere) or [host])
        self._count(host, step, result, max(1, len(answer.brought)))
        for name in done.notify if result.status is Status.CHANGED else ():
            self._notify(host, step.task, name)
        if done.fatal:
            self.world.fatal[host] = done.fatal
        if result.status is Status.UNREACHABLE and not result.ignored:
            self.lose(host, result.message)
        return answer

    def lose(self, host: str, why: str) -> None:
        """A host cannot be reached: it is out of this and all later plays."""
        self.world.unreachable.add(host)
        self.world.lost[host] = why
        self.bad.add(host)
        self.stop(host)
        self._magic = self._play_magic()

    def _answer(self, host: str, step: Step, done: Done) -> tuple[TaskResult, Answer]:
        result = done.result
        if result.bad and not result.ignored:
            rescued = step.rescued and result.status is Status.FAILED
            return replace(result, rescued=rescued), Answer(failed=True)
        try:
            brought = tuple(self._bring(ask) for ask in done.asks)
        except QclusterError as error:
            return _broken(result, included.reason(error), step.rescued), Answer(failed=True)
        return result, Answer(brought=brought, ran=result.status is not Status.SKIPPED)

    def _bring(self, ask: Ask) -> Brought:
        """The tasks of an include; hosts that ask for the same get the same."""
        if ask.signature not in self._answers:
            self._answers[ask.signature] = (len(self._answers), self._read(ask))
        order, answer = self._answers[ask.signature]
        if isinstance(answer, QclusterError):
            raise answer
        return Brought(answer.nodes, ask.params, order)

    def _read(self, ask: Ask) -> Answered | QclusterError:
        try:
            answer = included.answer(self.play.library, ask)
        except QclusterError as error:
            return error
        known = {handler.uid for handler in self.handlers}
        new = [handler for handler in answer.handlers if handler.uid not in known]
        self.handlers.extend(self.bench.named(handler, self.world.options.extra_vars) for handler in new)
        if answer.public:
            self.bench.expose(answer.public)
            self._magic = self._play_magic()
        return answer

    def _learn(self, host: str, task: Task, done: Done, hosts: list[str]) -> None:
        world = self.world
        for one in [done.facts_to] if done.facts_to else hosts:
            memory = world.recall(one)
            if task.module == "set_fact":
                memory.register(done.facts)
            if task.module != "set_fact" or done.lasting:
                memory.learn(done.facts)
        for one in hosts if task.register else ():
            world.recall(one).register({task.register: done.registered})
        for other, facts in done.facts_for.items():
            world.recall(other).learn(facts)

    def _count(self, host: str, step: Step, result: TaskResult, times: int) -> None:
        world, task = self.world, step.task
        world.tallies.add(host, result, times)
        if result.rescued:
            failed = {"name": task.name, "action": task.module, "args": task.args}
            world.recall(host).register({"ansible_failed_task": failed, "ansible_failed_result": result.values})
        world.emit(HostFinished(world.clock(), self.play.name, self._title(host, step), task.uid, host, result))

    def _notify(self, host: str, task: Task, name: str) -> None:
        """Nobody who hears it is a mistake of the playbook, which a fixed name shows before the run."""
        if not self.places[host].walk.notify(name):
            raise TaskFailed(f"{task.where}: notify: the play has no handler named {name!r} (told by {host})")

    def _play_magic(self) -> Mapping[str, Any]:
        gone = self.world.failed | self.world.unreachable | self.left
        alive = [host for host in self._all_hosts if host not in gone]
        here = [host for host in self.hosts if host in alive]
        return {
            "play_hosts": here,
            "ansible_play_batch": here,
            "ansible_play_hosts": alive,
            "ansible_play_hosts_all": list(self._all_hosts),
            "ansible_play_name": self.play.name,
            "playbook_dir": self.play.folder,
            **self.bench.role_names(),
        }


def _rendered(title: str, job: Job) -> str:
    """A title with variables in it; as written where they are not known."""
    if not is_template(title):
        return title
    try:
        return str(Templar(job.view()).render(title))
    except TemplateError:
        return title


def _broken(result: TaskResult, reason: str, rescued: bool) -> TaskResult:
    """The result of an include that cannot be read."""
    values = {"failed": True, "changed": False, "msg": reason}
    return replace(result, status=Status.FAILED, values=values, message=reason, rescued=rescued)


def setup_task(play: Play) -> Task:
    """The task that gathers facts before all others; it runs under any --tags unless the play has tags."""
    plain = {**play.scope.plain, "run_once": False}
    scope = replace(play.scope, tags=play.scope.tags or frozenset({"always"}), plain=plain)
    return Task(f"setup-{play.where}", "Gathering Facts", play.where, "setup", {}, scope, Scope(), implicit=True)


def start_key_of(world: World, play: Play) -> Any:
    return start_key(play, world.start_at) if world.start_at else None
