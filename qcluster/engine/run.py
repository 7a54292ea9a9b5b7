"""A whole run: every play on its hosts, in batches, to an exit code."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qcluster.engine.batch import Batch
from qcluster.engine.chosen import keyed, start_key
from qcluster.engine.crew import Crew
from qcluster.engine.keywords import settled
from qcluster.engine.options import RunOptions
from qcluster.engine.ready import Bench
from qcluster.engine.strategy import STRATEGIES
from qcluster.engine.world import World, groups_of
from qcluster.errors import EXIT_OK, InputError, Interrupted, Stopped, TaskFailed, UnreachableError, worst_exit
from qcluster.events import Emit, PlayFinished, PlayStarted, RunFinished, RunStarted
from qcluster.inventory.model import Inventory
from qcluster.inventory.patterns import select
from qcluster.playbook.library import Library
from qcluster.playbook.model import Play, Playbook
from qcluster.playbook.notes import Notes
from qcluster.playbook.plays import find_vars
from qcluster.schema import did_you_mean
from qcluster.templating import Templar, TemplateError
from qcluster.transport.base import Transport


def run(
    playbook: Playbook,
    inventory: Inventory,
    fleet: Mapping[str, Transport],
    options: RunOptions,
    emit: Emit,
) -> int:
    """Run every play. Gives the exit code (`qcluster.errors`); raises InputError before any host is touched."""
    world = World(playbook, inventory, fleet, options, emit)
    plans = [_plan(world, play) for play in playbook.plays]
    everybody = tuple(dict.fromkeys(host for plan in plans for host in plan.hosts))
    if options.limit and not everybody:
        raise InputError(f"--limit {options.limit}: no host of the playbook is left")
    _check_start(playbook, options.start_at_task)
    began, code = options.clock(), TaskFailed.exit_code
    emit(RunStarted(began, options.verb, options.target or playbook.path, inventory.path, everybody, options.check))
    try:
        code = _carried_out(world, plans, options.forks or max(1, len(everybody)))
    finally:
        emit(RunFinished(options.clock(), code, world.tallies.recap(), options.clock() - began))
    return code


def _check_start(playbook: Playbook, name: str) -> None:
    """Nothing would run, and that looks like success: a task to start at that does not exist is bad input."""
    if name and not any(start_key(play, name) for play in playbook.plays):
        known = [task.title for play in playbook.plays for _, task in keyed(play)]
        near = did_you_mean(name, known) or "tasks of include_tasks and include_role are not known before the run"
        raise InputError(f"--start-at-task {name}: no such task ({near})")


def _carried_out(world: World, plans: list[Plan], forks: int) -> int:
    """Run the plays to the end, or until Ctrl-C or a signal: nothing more starts, what runs on hosts is left."""
    crew = Crew(forks)
    try:
        _plays(world, crew, plans)
        return _exit_code(world)
    except KeyboardInterrupt as error:
        world.options.cancelled.set()
        return error.exit_code if isinstance(error, Stopped) else Interrupted.exit_code
    finally:
        crew.dismiss()


class Plan(NamedTuple):
    """A play with its hosts as its pattern names them; `bench` makes its tasks ready."""

    play: Play
    hosts: tuple[str, ...]
    bench: Bench


def _plan(world: World, play: Play) -> Plan:
    """Everything of a play that can be wrong before a host is touched."""
    known = {**world.shared, **world.options.extra_vars}
    play = settled(play, known)
    hosts = named(world.inventory, play, world.options.limit, known)
    return Plan(play, hosts, Bench(play, _vars_files(world, play)))


def _plays(world: World, crew: Crew, plans: list[Plan]) -> None:
    for plan in plans:
        if world.start_at and start_key(plan.play, world.start_at) is None:
            continue
        if not _play(world, crew, plan):
            break
        world.start_at = ""


def _play(world: World, crew: Crew, plan: Plan) -> bool:
    """One play, batch by batch. False: a whole batch failed, or something fatal happened: the run ends."""
    play, gone = plan.play, world.failed | world.unreachable
    hosts = ordered(plan.hosts, play.order)
    if hosts and gone.issuperset(hosts):
        return True
    world.emit(PlayStarted(world.clock(), play.name, tuple(host for host in hosts if host not in gone)))
    lost = _batches(world, crew, plan, hosts)
    world.emit(PlayFinished(world.clock(), play.name))
    return not lost and not world.fatal


def _batches(world: World, crew: Crew, plan: Plan, hosts: tuple[str, ...]) -> bool:
    """The batches of a play, as long as it goes on. True: the last one has failed on every host.

    Hosts that failed in earlier plays still have their places in the batches, as in Ansible.
    """
    for members in batches(hosts, plan.play.serial):
        batch = Batch(world, plan.bench, members, plan.hosts)
        STRATEGIES[plan.play.strategy](batch, crew)
        if batch.bad.issuperset(members):
            return True
        if world.fatal or batch.over:
            break
    return False


def _exit_code(world: World) -> int:
    codes = set(world.fatal.values())
    codes |= {TaskFailed.exit_code} if world.failed - world.fatal.keys() else set()
    codes |= {UnreachableError.exit_code} if world.unreachable else set()
    return worst_exit(codes) if codes else EXIT_OK


def hosts_of(inventory: Inventory, play: Play, limit: str, extra: Mapping[str, Any]) -> tuple[str, ...]:
    """The hosts that a play names and --limit leaves, in the play's order. Raises InputError."""
    return ordered(named(inventory, play, limit, extra), play.order)


def named(inventory: Inventory, play: Play, limit: str, extra: Mapping[str, Any]) -> tuple[str, ...]:
    """The hosts that a play names and --limit leaves, in the order of its pattern. Raises InputError."""
    try:
        patterns = Templar({"groups": groups_of(inventory), **play.vars, **extra}).render(list(play.patterns))
    except TemplateError as error:
        raise InputError(f"{play.where}: hosts: {error.what}") from None
    words = [str(word) for one in patterns for word in (one if isinstance(one, list) else [one])]
    return select(inventory, words, limit)


def ordered(hosts: tuple[str, ...], order: str) -> tuple[str, ...]:
    """Hosts in the order that a play asks for."""
    if order == "shuffle":
        return tuple(random.sample(hosts, len(hosts)))
    sorting = sorted(hosts) if "sorted" in order else list(hosts)
    return tuple(reversed(sorting)) if order.startswith("reverse") else tuple(sorting)


def batches(hosts: tuple[str, ...], sizes: tuple[Any, ...]) -> Iterator[tuple[str, ...]]:
    """Hosts in batches; the last size holds for what is left, as Ansible's `serial`."""
    left, sizes = list(hosts), sizes or (0,)
    number = 0
    while left:
        size = batch_size(sizes[min(number, len(sizes) - 1)], len(hosts)) or len(left)
        yield tuple(left[:size])
        left, number = left[size:], number + 1


def batch_size(size: Any, total: int) -> int:
    """A size in hosts: a number, or a share of all of at least one host. 0 and less: all."""
    text = str(size)
    if text.endswith("%"):
        return max(1, int(float(text[:-1]) / 100 * total))
    return max(0, int(float(text)))


def _render(world: World, play: Play, value: Any) -> Any:
    return Templar({**world.shared, **play.vars, **world.options.extra_vars}).render(value)


def _vars_files(world: World, play: Play) -> Mapping[str, Any]:
    """The variables of a play's vars_files; a name with variables in it is found when the play begins."""
    merged: dict[str, Any] = {}
    for entry in play.vars_files:
        merged.update(entry if isinstance(entry, dict) else _named(world, play, entry))
    return merged


def _named(world: World, play: Play, entry: Any) -> Mapping[str, Any]:
    names = _render(world, play, entry)
    path = find_vars(Path(play.where.file).parent, names if isinstance(names, list) else [names])
    if path is None:
        raise InputError(f"{play.where}: vars_files: no such file: {names!r}")
    library: Library = play.library
    notes = Notes()
    found = library.variables(path, notes)
    notes.raise_any()
    return found
