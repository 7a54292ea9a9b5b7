"""A playbook as values: plays, blocks and tasks with everything that they inherit already put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcluster.playbook.library import Library

Conditions = tuple[Any, ...]


@dataclass(frozen=True, order=True)
class Where:
    """File and line, counted from 1."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class RoleUse:
    """A role at one place of a playbook.

    `own_defaults` and `own_vars` hold those of its dependencies too; they are what the play's other tasks see.
    `defaults` and `vars` hold also those of the roles that it is used from. `params` were given where it is used.
    `parents` are those roles, the outermost first; `dependencies` the names of all that it depends on.
    """

    name: str
    path: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[RoleUse, ...] = ()
    dependencies: tuple[str, ...] = ()
    own_defaults: Mapping[str, Any] = field(default_factory=dict)
    own_vars: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """What a task has from the play, the blocks, the roles and the imports around it, nearest last.

    None: nobody said anything. Values may hold Jinja. `plain` are keywords whose nearest value wins.
    """

    plain: Mapping[str, Any] = field(default_factory=dict)
    when: Conditions = ()
    tags: frozenset[str] = frozenset()
    vars: Mapping[str, Any] = field(default_factory=dict)
    environment: tuple[Any, ...] = ()
    notify: tuple[str, ...] = ()
    role: RoleUse | None = None
    handler: bool = False

    def narrow(self, words: Mapping[str, Any]) -> Scope:
        """This scope with the keywords of something inside it: conditions, tags, vars and environment add up."""
        return replace(
            self,
            plain={**self.plain, **{name: words[name] for name in PLAIN if name in words}},
            when=(*self.when, *words.get("when", ())),
            tags=self.tags | frozenset(words.get("tags", ())),
            vars={**self.vars, **words.get("vars", {})},
            environment=(*self.environment, *words.get("environment", ())),
        )

    def get(self, name: str, default: Any = None) -> Any:
        return self.plain.get(name, default)


PLAIN = (
    "become",
    "become_user",
    "become_flags",
    "check_mode",
    "diff",
    "ignore_errors",
    "ignore_unreachable",
    "any_errors_fatal",
    "run_once",
    "no_log",
    "timeout",
    "throttle",
    "delegate_to",
    "delegate_facts",
)
"""Inherited keywords of which the nearest value wins."""


@dataclass(frozen=True)
class LoopControl:
    """How a loop names and shows its items. `pause` is in seconds."""

    loop_var: str = "item"
    index_var: str = ""
    label: Any = None
    pause: Any = 0
    extended: Any = False
    extended_allitems: Any = True
    break_when: Conditions = ()


@dataclass(frozen=True, eq=False)
class Task:
    """One task. `args` are as written; `module` is without `ansible.builtin.`; `outer` is the scope around it."""

    uid: str
    name: str
    where: Where
    module: str
    args: Any
    scope: Scope
    outer: Scope
    loop: Any = None
    loop_control: LoopControl = LoopControl()
    register: str = ""
    until: Conditions = ()
    retries: Any = None
    delay: Any = 5
    changed_when: Conditions = ()
    failed_when: Conditions = ()
    notify: tuple[Any, ...] = ()
    listen: tuple[str, ...] = ()
    job_limit: Any = 0
    poll: Any = 10
    own_vars: Mapping[str, Any] = field(default_factory=dict)
    implicit: bool = False

    @property
    def title(self) -> str:
        """What reports call it: its name, with the role's in front, else its module."""
        if self.module == "include_role":
            return self.name or f"include_role : {self._included_role()}"
        name = self.name or self.module
        return f"{self.scope.role.name} : {name}" if self.scope.role else name

    def _included_role(self) -> Any:
        return self.args.get("name", self.args.get("role")) if isinstance(self.args, Mapping) else self.args

    @property
    def tags(self) -> frozenset[str]:
        return self.scope.tags

    @property
    def role(self) -> RoleUse | None:
        return self.scope.role


@dataclass(frozen=True, eq=False)
class Block:
    """Tasks with what to do when one fails (`rescue`) and in any case (`always`).

    `once`: a role with this signature runs on a host only if none with the same has run there in this play.
    """

    body: tuple[Node, ...]
    rescue: tuple[Node, ...] = ()
    always: tuple[Node, ...] = ()
    name: str = ""
    where: Where = Where()
    once: str = ""


Node = Task | Block


@dataclass(frozen=True, eq=False)
class Play:
    """Hosts and what to do with them.

    `patterns` say which hosts; `hosts` is the same as one text. `sections` are pre_tasks, roles with tasks, and
    post_tasks. `library` is what its includes read from when they run, `folder` what `playbook_dir` says.
    """

    library: Library
    folder: str
    name: str
    where: Where
    hosts: str
    scope: Scope
    patterns: tuple[Any, ...] = ()
    sections: tuple[tuple[Node, ...], ...] = ()
    handlers: tuple[Task, ...] = ()
    roles: tuple[RoleUse, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=dict)
    vars_files: tuple[Any, ...] = ()
    strategy: str = "linear"
    serial: tuple[Any, ...] = ()
    max_fail_percentage: float | None = None
    gather_facts: bool = True
    order: str = "inventory"
    force_handlers: bool = False


@dataclass(frozen=True, eq=False)
class Playbook:
    """All plays of one file, and of those that it imports."""

    path: str
    plays: tuple[Play, ...]
