"""What --list-hosts, --list-tasks and --list-tags print, in Ansible's form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from qcluster.engine.chosen import by_tags, keyed
from qcluster.engine.run import hosts_of
from qcluster.inventory.model import Inventory
from qcluster.playbook.model import Play, Playbook, Task


class Wanted(NamedTuple):
    """What to print, and the tags that choose."""

    hosts: bool = False
    tasks: bool = False
    tags: bool = False
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


def lines(book: Playbook, inventory: Inventory, limit: str, extra: Mapping[str, Any], wanted: Wanted) -> Iterator[str]:
    """The lines of the listing; only `playbook: FILE` for a syntax check. Raises InputError for unknown hosts."""
    yield ""
    yield f"playbook: {book.path}"
    for number, play in enumerate(book.plays, 1):
        hosts = hosts_of(inventory, play, limit, extra)
        if wanted.hosts or wanted.tasks or wanted.tags:
            yield ""
            yield f"  play #{number} ({play.hosts}): {play.name}\tTAGS: [{', '.join(sorted(play.scope.tags))}]"
        yield from _hosts(play, hosts) if wanted.hosts else ()
        yield from _tasks(play, wanted) if wanted.tasks or wanted.tags else ()


def _hosts(play: Play, hosts: tuple[str, ...]) -> Iterator[str]:
    yield f"    pattern: {play.hosts.split(',')}"
    yield f"    hosts ({len(hosts)}):"
    yield from (f"      {host}" for host in hosts)


def _tasks(play: Play, wanted: Wanted) -> Iterator[str]:
    chosen = [task for _, task in keyed(play) if by_tags(task.tags, wanted.only, wanted.skip)]
    shown = [task for task in chosen if task.module != "meta"]
    if wanted.tasks:
        yield "    tasks:"
        yield from (f"      {task.title}\tTAGS: [{', '.join(sorted(task.tags))}]" for task in shown)
    if wanted.tags:
        yield f"      TASK TAGS: [{', '.join(sorted(_all_tags(chosen)))}]"


def _all_tags(tasks: list[Task]) -> set[str]:
    return {tag for task in tasks for tag in task.tags}
