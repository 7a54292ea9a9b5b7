"""A task made ready for many hosts: what does not depend on the host is worked out once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qcluster.engine import included, search, validate
from qcluster.engine.variables import View
from qcluster.modules import arguments, table
from qcluster.modules.base import Action, Module, Spec
from qcluster.playbook import words
from qcluster.playbook.model import Play, RoleUse, Task
from qcluster.playbook.roles import VALIDATE
from qcluster.templating import OMIT, Templar, TemplateError, is_plain

CONTROL = ("include_tasks", "include_role", "meta")


@dataclass(frozen=True)
class Ready:
    """A task with its module, its arguments parsed, and its own layers of variables.

    `typed` holds the checked arguments where they have no template in them, else None; `fixed` are those arguments
    without one, `moving` those with. `folders` are where its files are looked up.
    """

    task: Task
    module: Module | Action | None
    fixed: Mapping[str, Any]
    moving: tuple[tuple[Any, Any], ...]
    typed: Mapping[str, Any] | None
    params: Mapping[str, Any]
    variables: Mapping[str, Any]
    defaults: Mapping[str, Any]
    folders: tuple[Path, ...]

    def args(self, templar: Templar) -> dict[str, Any]:
        """The arguments as they are on one host; those that are `omit` are gone."""
        given = {**self.fixed}
        for name, raw in self.moving:
            value = templar.render(raw)
            if value is not OMIT:
                given[templar.render(name)] = value
        return given

    @property
    def spec(self) -> Spec:
        return self.module.spec if self.module else Spec(any_key=True)


@dataclass
class Bench:
    """Makes the tasks of one play ready, each once. `files` are what the play's vars_files hold."""

    play: Play
    files: Mapping[str, Any]
    uses: list[RoleUse] = field(default_factory=list)
    titles: dict[Any, str] = field(default_factory=dict)
    _ready: dict[str, Ready] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.uses = [*self.play.roles]

    def ready(self, task: Task) -> Ready:
        if task.uid not in self._ready:
            self._ready[task.uid] = self._make(task)
        return self._ready[task.uid]

    def named(self, handler: Task, extra: Mapping[str, Any]) -> Task:
        """A handler with the variables in its name rendered; as it is where one of them is not the play's."""
        if not words.is_template(handler.name):
            return handler
        ready = self.ready(handler)
        try:
            name = Templar(View(extra, ready.params, ready.variables, ready.defaults)).render(handler.name)
        except TemplateError:
            return handler
        return replace(handler, name=str(name))

    def role_names(self) -> dict[str, list[str]]:
        """The magic variables that name the roles which the play uses, and those that they depend on."""
        named = [use.name for use in self.uses]
        needed = list(dict.fromkeys(name for use in self.uses for name in use.dependencies))
        everyone = list(dict.fromkeys((*needed, *named)))
        return {
            "ansible_play_role_names": named,
            "role_names": named,
            "ansible_dependent_role_names": needed,
            "ansible_role_names": everyone,
        }

    def expose(self, uses: Iterable[RoleUse]) -> None:
        """Roles that an include brought for all: their variables are seen by every later task."""
        self.uses.extend(uses)
        self._ready.clear()

    def _make(self, task: Task) -> Ready:
        module = lookup(task.module)
        args = included.parse(task) if module is None else parse(module.spec, task.args)
        moving = tuple(pair for pair in args.items() if not is_plain(pair[0]) or not is_plain(pair[1]))
        role, folders = task.role or RoleUse("", ""), search.bases(task, self.play.folder)
        return Ready(
            task=task,
            module=module,
            fixed={name: args[name] for name in args if (name, args[name]) not in moving},
            moving=moving,
            typed=arguments.coerce(module.spec, args) if module is not None and not moving else None,
            params={**role.params, **_role_magic(task.role), "ansible_search_path": list(map(str, folders))},
            variables={**self.play.vars, **self.files, **self._public("own_vars"), **role.vars, **task.scope.vars},
            defaults={**self._public("own_defaults"), **role.defaults},
            folders=folders,
        )

    def _public(self, part: str) -> dict[str, Any]:
        joined: dict[str, Any] = {}
        for use in self.uses:
            joined.update(getattr(use, part))
        return joined


def lookup(name: str) -> Module | Action | None:
    """The module of a task; None where the engine itself carries it out."""
    if name in CONTROL:
        return None
    return validate.MODULE if name == VALIDATE else table.lookup(name)


def parse(spec: Spec, raw: Any) -> dict[str, Any]:
    """Arguments as a mapping; `_raw` is a free-form text that stands beside an `args:` keyword."""
    if isinstance(raw, Mapping) and "_raw" in raw:
        more = {name: value for name, value in raw.items() if name != "_raw"}
        return {**more, **arguments.parse(spec, raw["_raw"])}
    return arguments.parse(spec, raw)


def _role_magic(role: RoleUse | None) -> dict[str, Any]:
    if not role:
        return {}
    magic: dict[str, Any] = {"role_name": role.name, "ansible_role_name": role.name, "role_path": role.path}
    if role.parents:
        magic["ansible_parent_role_names"] = [one.name for one in reversed(role.parents)]
        magic["ansible_parent_role_paths"] = [one.path for one in reversed(role.parents)]
    return magic
