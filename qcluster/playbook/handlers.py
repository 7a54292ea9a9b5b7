"""Handlers: who is meant by a notification, and whether every notification means somebody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from qcluster import schema
from qcluster.playbook import words
from qcluster.playbook.model import Block, Node, Task

if TYPE_CHECKING:
    from qcluster.playbook.tasks import Reader


def find(name: str, handlers: Sequence[Task]) -> Sequence[Task]:
    """The handlers that a notification means: one of that name, and all that listen to it.

    Of several with one name the latest list of handlers counts, and the first in that list. The play has one list,
    and every use of a role brings one, also where it is the same role again with other variables.
    """
    lists = [list(group) for _, group in groupby(handlers, key=lambda one: id(one.role))]
    latest = [one for group in reversed(lists) for one in group]
    named = next((one for one in latest if one.name and name in (one.name, one.title)), None)
    listening: dict[str, Task] = {}
    for one in latest:
        if name in one.listen:
            listening.setdefault(one.name or one.uid, one)
    return [*([named] if named else []), *(one for one in listening.values() if one is not named)]


def tasks_of(nodes: Sequence[Node]) -> Iterator[Task]:
    """Every task in nodes and the blocks in them."""
    for node in nodes:
        if isinstance(node, Block):
            for part in (node.body, node.rescue, node.always):
                yield from tasks_of(part)
        else:
            yield node


def check(reader: Reader, sections: Sequence[Sequence[Node]], handlers: Sequence[Task]) -> None:
    """Note a notification that nobody hears, unless a role that is included later may bring the handler."""
    tasks = [task for nodes in sections for task in tasks_of(nodes)]
    if any(task.module == "include_role" for task in (*tasks, *handlers)) or _templated(handlers):
        return
    known = [name for one in handlers for name in (one.name, *one.listen) if name]
    for task in (*tasks, *handlers):
        for name in task.notify:
            if isinstance(name, str) and not words.is_template(name) and not find(name, handlers):
                reader.notes.value(name, "notify", f"no handler named {name!r}", schema.did_you_mean(name, known))


def _templated(handlers: Sequence[Task]) -> bool:
    return any(words.is_template(one.name) or one.module == "include_tasks" for one in handlers)
