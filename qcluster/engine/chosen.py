"""Which tasks --tags, --skip-tags and --start-at-task let run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch

from qcluster.engine.walk import Key
from qcluster.playbook.model import Block, Node, Play, Task


def by_tags(tags: frozenset[str], only: Sequence[str], skip: Sequence[str]) -> bool:
    """Ansible's rule: `always` runs unless skipped by name, `never` only if asked for by name or another tag."""
    return _wanted(tags, frozenset(only or ("all",))) and not _skipped(tags, frozenset(skip), frozenset(only))


def _wanted(tags: frozenset[str], only: frozenset[str]) -> bool:
    if "always" in tags or tags & only:
        return True
    if "all" in only and "never" not in tags:
        return True
    return ("tagged" in only and bool(tags) and "never" not in tags) or ("untagged" in only and not tags)


def _skipped(tags: frozenset[str], skip: frozenset[str], only: frozenset[str]) -> bool:
    if "all" in skip:
        return "always" not in tags or "always" in skip
    if tags & skip:
        return True
    return ("tagged" in skip and bool(tags)) or ("untagged" in skip and not tags)


def keyed(play: Play) -> Iterator[tuple[Key, Task]]:
    """Every task that is known before the run, with its place in the order."""
    for number, nodes in enumerate(play.sections, 1):
        yield from _keyed(nodes, (number, 0))


def _keyed(nodes: Sequence[Node], key: Key) -> Iterator[tuple[Key, Task]]:
    for number, node in enumerate(nodes):
        inner = (*key, number)
        if isinstance(node, Block):
            for part, inside in enumerate((node.body, node.rescue, node.always)):
                yield from _keyed(inside, (*inner, part))
        else:
            yield inner, node


def start_key(play: Play, name: str) -> Key | None:
    """Where --start-at-task begins: the first task of that name (or pattern), None where there is none."""
    for key, task in keyed(play):
        names = [one for one in (task.name, task.title) if one]
        if any(one == name or fnmatch(one, name) for one in names):
            return key
    return None


def chooser(only: Sequence[str], skip: Sequence[str], start: Key | None) -> Callable[[Task, Key], bool]:
    """The test that a walk asks for each task; answers are kept."""
    known: dict[frozenset[str], bool] = {}

    def chosen(task: Task, key: Key) -> bool:
        if start is not None and key < start and key != (0,):
            return False
        if task.tags not in known:
            known[task.tags] = by_tags(task.tags, only, skip)
        return known[task.tags]

    return chosen
