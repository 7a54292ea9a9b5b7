"""Roles: where they are, what they hold, and what it means to use one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcluster import schema
from qcluster.playbook import language, reaching, words
from qcluster.playbook.library import Library, main_file, variable_files
from qcluster.playbook.model import Block, Node, RoleUse, Scope, Task
from qcluster.playbook.notes import Notes, where

if TYPE_CHECKING:
    from qcluster.playbook.tasks import Reader

VALIDATE = "validate_argument_spec"
"""The module of the task that checks a role's arguments."""


@dataclass(frozen=True)
class Order:
    """A wish to use a role: its name, the parameters given, and which of its files to take.

    `once`: what is the same counts once a host; `listed` under `roles:`, where the role's meta may allow it again.
    """

    name: str
    scope: Scope
    params: Mapping[str, Any]
    source: Any
    files: Mapping[str, str]
    check: bool = True
    once: str = ""
    listed: bool = False

    def file(self, part: str) -> str:
        """The name given to `tasks_from` and the like; "" where there is none."""
        return self.files.get(part, "")


@dataclass(frozen=True)
class Brought:
    """What using a role brings: its tasks (those of its dependencies first), handlers and variables."""

    nodes: tuple[Node, ...] = ()
    handlers: tuple[Task, ...] = ()
    use: RoleUse | None = None


def listed(reader: Reader, entries: Any, scope: Scope) -> tuple[Node, ...]:
    """The roles of a play."""
    if not isinstance(entries, list):
        reader.notes.value(entries, "roles", "a list of roles is wanted")
        return ()
    orders = [_order(reader, entries, index, scope) for index in range(len(entries))]
    return tuple(node for order in orders if order for node in _shown(reader, order))


def imported(reader: Reader, entry: dict[str, Any], module: str, scope: Scope) -> tuple[Node, ...]:
    """The tasks of `import_role`."""
    args = entry[module]
    order = _asked(reader, args, scope, entry, entry.get("vars") or {})
    if order is None:
        return ()
    if args.get("apply"):
        reader.notes.key(args, "apply", "apply", "only for include_role", "write the keywords beside import_role")
    return _shown(reader, order, truth(reader, args, "public", True))


def _shown(reader: Reader, order: Order, public: bool = True) -> tuple[Node, ...]:
    """The tasks of a role that the play names; where it is `public`, all tasks of the play see its variables."""
    brought = _enter(reader, order)
    if brought.use:
        reader.used.append(brought.use if public else replace(brought.use, own_defaults={}, own_vars={}))
    return brought.nodes


def included(reader: Reader, args: Mapping[str, Any], task: Task, params: Mapping[str, Any]) -> Brought:
    """What an `include_role` with rendered arguments brings when it runs."""
    apply = args.get("apply") or {}
    known, _ = words.take(reader.notes, apply, language.BLOCK)
    order = _asked(reader, args, task.outer.narrow(known), args, params)
    return _enter(reader, order) if order else Brought()


def look_ahead(reader: Reader, task: Task, entry: dict[str, Any], module: str) -> None:
    """Check a role that will be included, where its name is fixed."""
    args = task.args if isinstance(task.args, dict) else {}
    name = args.get("name", args.get("role"))
    if not words.is_template(name) and not any(words.is_template(one) for one in args.values()):
        alone = replace(reader, used=[], handlers=[])
        order = _asked(alone, entry[module], task.outer, entry, {})
        if order and (reader.library.role_folder(order.name) not in reader.chain):
            _enter(alone, order)


def _asked(reader: Reader, args: Any, scope: Scope, entry: Any, own: Mapping[str, Any]) -> Order | None:
    """`own` are the variables that the task itself gives."""
    if not isinstance(args, dict):
        reader.notes.value(entry, "", "a mapping with the role's name is wanted")
        return None
    for name in args:
        if name not in (*language.ROLE_ARGS, "role"):
            near = schema.did_you_mean(str(name), language.ROLE_ARGS)
            reader.notes.key(args, name, str(name), "unknown argument", near)
    role = args.get("name", args.get("role"))
    if not role:
        reader.notes.value(entry, "name", "the role's name is wanted")
        return None
    files = {key.removesuffix("_from"): str(args[key]) for key in language.ROLE_FILES if key in args}
    again = truth(reader, args, "allow_duplicates", True)
    once = "" if again else repr(("from include", role, sorted(files.items()), sorted(own.items(), key=str)))
    return Order(str(role), scope, {}, entry, files, truth(reader, args, "rolespec_validate", True), once)


def truth(reader: Reader, args: Mapping[str, Any], name: str, default: bool) -> bool:
    """An argument that is true or false; it has to be known when the role is read."""
    try:
        value = words.boolean(args.get(name, default))
    except ValueError as error:
        reader.notes.key(args, name, name, str(error))
        return default
    if words.is_template(value):
        reader.notes.key(args, name, name, "a template is not known yet", "write true or false")
    return bool(value)


def _order(reader: Reader, entries: list[Any], index: int, scope: Scope) -> Order | None:
    entry = entries[index]
    if isinstance(entry, str):
        return Order(entry, scope, {}, entry, {}, once=_signature(entry, {}, {}), listed=True)
    if not isinstance(entry, dict) or not (entry.get("role") or entry.get("name")):
        reader.notes.key(entries, index, "roles", "a role's name, or a mapping with `role:`, is wanted")
        return None
    known, params = words.take(reader.notes, entry, language.ROLE)
    for name in [one for one in params if one in language.REFUSED]:
        words.refuse(reader.notes, entry, name, language.ROLE)
    reaching.check(reader.notes, entry)
    name = str(entry.get("role") or entry["name"])
    once = _signature(name, params, known)
    return Order(name, scope.narrow(known), params, entry, {}, once=once, listed=True)


def _signature(name: str, params: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Equal for uses of a role that Ansible takes for the same."""
    said = [(key, value) for key, value in known.items() if key in ("when", "tags", "vars")]
    return repr((name, sorted(params.items()), said))


def _enter(reader: Reader, order: Order) -> Brought:
    near = Path(order.scope.role.path) if order.scope.role else None
    folder = reader.library.role_folder(order.name, near)
    if folder is None:
        hint = schema.did_you_mean(order.name, reader.library.role_names())
        reader.notes.value(order.source, "role", f"no role named {order.name!r}", hint or "looked beside the playbook")
        return Brought()
    if folder in reader.chain:
        reader.notes.value(order.source, order.name, "the role depends on itself")
        return Brought()
    return _Role(reader.within(folder), folder, order).brought()


class _Role:
    """One role being read."""

    def __init__(self, reader: Reader, folder: Path, order: Order):
        self.reader, self.folder, self.order = reader, folder, order
        self.meta = reader.library.variables(main_file(folder / "meta"), reader.notes)

    def brought(self) -> Brought:
        outer = self.order.scope.role
        dependencies = [_enter(self.reader, order) for order in self._dependencies(self._scope(RoleUse("", "")))]
        uses = [one.use for one in dependencies if one.use]
        use = self._use(uses, outer)
        scope = self._scope(use)
        handlers = self._tasks("handlers", replace(scope, handler=True))
        self.reader.handlers.extend(task for task in handlers if isinstance(task, Task))
        nodes = (*self._validation(scope), *self._tasks("tasks", scope))
        before = tuple(node for one in dependencies for node in one.nodes)
        return Brought((*before, Block(nodes, name=use.name, once=self._once())), tuple(self.reader.handlers), use)

    def _once(self) -> str:
        return "" if self.order.listed and self.meta.get("allow_duplicates") else self.order.once

    def _use(self, dependencies: list[RoleUse], outer: RoleUse | None) -> RoleUse:
        inherited = outer or RoleUse("", "")
        defaults = {**_joined(dependencies, "own_defaults"), **self._variables("defaults")}
        variables = {**_joined(dependencies, "own_vars"), **self._variables("vars")}
        return RoleUse(
            name=Path(self.order.name).name,
            path=str(self.folder),
            defaults={**inherited.defaults, **defaults},
            vars={**inherited.vars, **variables},
            own_defaults=defaults,
            own_vars=variables,
            params={**inherited.params, **self.order.params},
            parents=(*inherited.parents, inherited) if outer and outer.name else (),
            dependencies=tuple(name for one in dependencies for name in (*one.dependencies, one.name)),
        )

    def _scope(self, use: RoleUse) -> Scope:
        return replace(self.order.scope, role=use)

    def _dependencies(self, scope: Scope) -> list[Order]:
        entries = self.meta.get("dependencies") or []
        found = [_order(self.reader, entries, index, replace(scope, role=None)) for index in range(len(entries))]
        return [order for order in found if order]

    def _variables(self, part: str) -> dict[str, Any]:
        paths = variable_files(self.folder / part, self.order.file(part))
        self._check_named(part, bool(paths))
        return {k: v for path in paths for k, v in self.reader.library.variables(path, self.reader.notes).items()}

    def _tasks(self, part: str, scope: Scope) -> tuple[Node, ...]:
        path = main_file(self.folder / part, self.order.file(part))
        self._check_named(part, path is not None)
        return self.reader.file_nodes(path, scope) if path else ()

    def _check_named(self, part: str, found: bool) -> None:
        """What `tasks_from` and the like name must be there."""
        if part in self.order.files and not found:
            self.reader.notes.value(self.order.source, f"{part}_from", f"no such file: {self.order.files[part]!r}")

    def _validation(self, scope: Scope) -> tuple[Node, ...]:
        """The task that checks the role's arguments, where meta/argument_specs.yml describes them."""
        point = (self.order.file("tasks") or "main").removesuffix(".yml").removesuffix(".yaml")
        spec = entry_points(self.reader.library, self.folder, self.reader.notes).get(point)
        if not spec or not self.order.check:
            return ()
        about = f" - {spec['short_description']}" if spec.get("short_description") else ""
        inner = replace(scope, tags=scope.tags | {"always"})
        return (
            Task(
                uid=self.reader.library.uid(),
                name=f"Validating arguments against arg spec '{point}'{about}",
                where=where(spec),
                module=VALIDATE,
                args={"argument_spec": spec.get("options") or {}, "point": point},
                scope=inner,
                outer=inner,
            ),
        )


def entry_points(library: Library, folder: Path, notes: Notes) -> dict[str, Any]:
    """The entry points of a role's meta/argument_specs.yml (or of meta/main.yml)."""
    path = main_file(folder / "meta", "argument_specs") or main_file(folder / "meta")
    found = library.variables(path, notes).get("argument_specs") if path else None
    return found if isinstance(found, dict) else {}


def _joined(uses: list[RoleUse], part: str) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for use in uses:
        joined.update(getattr(use, part))
    return joined
