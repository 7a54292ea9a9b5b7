"""`include_tasks` and `include_role`: what a host asks for, and the tasks that this brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcluster.errors import InputError, TaskFailed
from qcluster.playbook import language, roles, words
from qcluster.playbook.model import Node, RoleUse, Task
from qcluster.playbook.notes import Notes
from qcluster.playbook.tasks import Reader

if TYPE_CHECKING:
    from qcluster.playbook.library import Library


@dataclass(frozen=True)
class Ask:
    """An include with its rendered arguments, as one host (and one item of a loop) asks for it."""

    task: Task
    args: Mapping[str, Any]
    params: Mapping[str, Any]

    @property
    def signature(self) -> str:
        """Equal for hosts that include the same with the same parameters."""
        return repr((self.task.uid, sorted(self.args.items(), key=str), sorted(self.params.items(), key=str)))


@dataclass(frozen=True)
class Answered:
    """What an include brings."""

    nodes: tuple[Node, ...]
    handlers: tuple[Task, ...] = ()
    public: tuple[RoleUse, ...] = ()


def parse(task: Task) -> dict[str, Any]:
    """The arguments of an include or of `meta` as a mapping."""
    return dict(task.args) if isinstance(task.args, Mapping) else {"file": task.args}


def answer(library: Library, ask: Ask) -> Answered:
    """Read what was asked for. Raises TaskFailed: a file is missing; InputError: it has mistakes."""
    notes = Notes()
    reader = Reader(library, notes, Path(ask.task.where.file), (Path(ask.task.where.file),))
    found = _role(reader, ask) if ask.task.module == "include_role" else _tasks(reader, ask)
    notes.raise_any()
    return found


def _role(reader: Reader, ask: Ask) -> Answered:
    brought = roles.included(reader, ask.args, ask.task, ask.params)
    own = (brought.use,) if brought.use and roles.truth(reader, ask.args, "public", False) else ()
    handlers = tuple(_told(handler, ask.params) for handler in reader.handlers)
    return Answered(brought.nodes, handlers, (*reader.used, *own))


def _told(handler: Task, params: Mapping[str, Any]) -> Task:
    """A handler that knows the variables of the include that brought it."""
    role = handler.scope.role or RoleUse("", "")
    return replace(handler, scope=replace(handler.scope, role=replace(role, params={**role.params, **params})))


def _tasks(reader: Reader, ask: Ask) -> Answered:
    name = str(ask.args.get("file") or "")
    path = reader.find_tasks(name, ask.task.scope) if name else None
    if path is None:
        raise TaskFailed(f"Could not find or access '{name}' on the controller")
    known, _ = words.take(reader.notes, ask.args.get("apply") or {}, language.BLOCK)
    nodes = replace(reader, chain=()).file_nodes(path, ask.task.outer.narrow(known))
    return Answered(nodes, tuple(reader.handlers), tuple(reader.used))


def reason(error: Exception) -> str:
    """Why an include failed, in one line."""
    return "; ".join(str(one) for one in error.problems) if isinstance(error, InputError) else str(error)
