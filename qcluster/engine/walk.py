"""One host's way through a play, as a generator: it yields the next task and is sent what came of it.

`block`, `rescue` and `always` are plain control flow here. Nothing in this file runs a task.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qcluster.playbook.model import Block, Node, Play, Task

Key = tuple[int, ...]
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Step:
    """The next task of a host. Keys order the tasks of a play; `params` came with the includes around it.

    `rescued`: a failure here is rescued. `handler`: it runs because it was notified.
    """

    key: Key
    task: Task
    params: Mapping[str, Any] = field(default_factory=dict)
    rescued: bool = False
    handler: bool = False


@dataclass(frozen=True)
class Brought:
    """Tasks that an include brought; `order` keeps hosts that include the same together."""

    nodes: tuple[Node, ...]
    params: Mapping[str, Any]
    order: int


@dataclass(frozen=True)
class Answer:
    """What came of a step: did the host fail, what did an include bring, is a flush of handlers held back,
    and did anything run (a skipped task does not count for its role)."""

    failed: bool = False
    brought: tuple[Brought, ...] = ()
    held: bool = False
    ran: bool = True


Steps = Generator[Step, Answer, bool]
"""Returns whether the host failed."""


class Walk:
    """The tasks of one host in one play, in order.

    `chosen(task, key)` says whether tags and --start-at-task let it run. `handlers` is the play's list, which
    grows when a role is included.
    """

    def __init__(
        self,
        play: Play,
        handlers: Sequence[Task],
        chosen: Callable[[Task, Key], bool],
        setup: Task | None,
        find: Callable[[str, Sequence[Task]], Sequence[Task]],
    ):
        self._play, self._handlers, self._chosen, self._setup, self._find = play, handlers, chosen, setup, find
        self._rescues = 0
        self._ran: list[bool] = []
        self._roles: set[str] = set()
        self._flushing = False
        self._pending: list[str] = []
        self._notified: set[str] = set()

    def notify(self, name: str) -> bool:
        """Remember that a handler was notified. False: there is none of that name."""
        found = self._find(name, self._handlers)
        if self._flushing:
            self._notified.update(handler.uid for handler in found)
        else:
            self._pending.append(name)
        return bool(found)

    def steps(self) -> Steps:
        """Every step of the play."""
        failed = bool(self._setup) and (yield from self._task(self._setup, (0,), NOTHING))  # type: ignore[arg-type]
        for number, nodes in enumerate(self._play.sections, 1):
            failed = failed or (yield from self._nodes(nodes, (number, 0), NOTHING))
            if not failed or (self._play.force_handlers and number == len(self._play.sections)):
                failed = (yield from self._flush((number, 1))) or failed
        return failed

    def _nodes(self, nodes: Sequence[Node], key: Key, params: Mapping[str, Any]) -> Steps:
        for number, node in enumerate(nodes):
            part = self._block if isinstance(node, Block) else self._task
            if (yield from part(node, (*key, number), params)):  # type: ignore[arg-type]
                return True
        return False

    def _block(self, block: Block, key: Key, params: Mapping[str, Any]) -> Steps:
        if not block.once:
            return (yield from self._guarded(block, key, params))
        if block.once in self._roles:
            return False
        self._ran.append(False)
        failed = yield from self._guarded(block, key, params)
        if self._ran.pop():
            self._roles.add(block.once)
        return failed

    def _guarded(self, block: Block, key: Key, params: Mapping[str, Any]) -> Steps:
        self._rescues += bool(block.rescue)
        failed = yield from self._nodes(block.body, (*key, 0), params)
        self._rescues -= bool(block.rescue)
        if failed and block.rescue:
            failed = yield from self._nodes(block.rescue, (*key, 1), params)
        late = yield from self._nodes(block.always, (*key, 2), params)
        return failed or late

    def _task(self, task: Task, key: Key, params: Mapping[str, Any]) -> Steps:
        if not task.scope.handler and not self._chosen(task, key):
            return False
        answer = yield Step(key, task, params, self._rescues > 0, task.scope.handler)
        if answer.ran and self._ran:
            self._ran[-1] = True
        if answer.failed:
            return True
        if task.module == "meta" and task.args == "flush_handlers" and not answer.held:
            return (yield from self._flush(key))
        for one in answer.brought:
            if (yield from self._nodes(one.nodes, (*key, one.order), {**params, **one.params})):
                return True
        return False

    def _flush(self, key: Key) -> Steps:
        for name in self._pending:
            self._notified.update(handler.uid for handler in self._find(name, self._handlers))
        self._pending.clear()
        self._flushing = True
        failed = yield from self._handle(key)
        self._flushing = False
        return failed

    def _handle(self, key: Key) -> Steps:
        for number, handler in enumerate(list(self._handlers)):
            if handler.uid in self._notified:
                self._notified.discard(handler.uid)
                if (yield from self._task(handler, (*key, number), NOTHING)):
                    return True
        return False
