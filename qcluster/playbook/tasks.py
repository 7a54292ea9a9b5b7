"""Lists of tasks: from YAML to nodes, imports resolved, every mistake noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qcluster import schema
from qcluster.errors import InputError
from qcluster.playbook import language, reaching, roles, syntax, words
from qcluster.playbook.library import Library, first_file
from qcluster.playbook.model import Block, LoopControl, Node, RoleUse, Scope, Task, Where
from qcluster.playbook.notes import Notes, where
from qcluster.templating import Templar, TemplateError

PREFIXES = ("ansible.builtin.", "ansible.legacy.")
CONTROL = (*language.INCLUDES, *language.IMPORTS, "meta")


@dataclass(frozen=True)
class Reader:
    """Reads the tasks of one file. `used` and `handlers` collect what imported roles bring along.

    `around` is what the imports of the playbook say: their conditions and tags fall on its plays.
    """

    library: Library
    notes: Notes
    file: Path
    chain: tuple[Path, ...] = ()
    used: list[RoleUse] = field(default_factory=list)
    handlers: list[Task] = field(default_factory=list)
    around: Scope = field(default_factory=Scope)

    def within(self, file: Path) -> Reader:
        """The same reading, in a file that this one imports."""
        return replace(self, file=file, chain=(*self.chain, file))

    def file_nodes(self, path: Path, scope: Scope) -> tuple[Node, ...]:
        """The tasks of a file."""
        if path in self.chain:
            self.notes.extend(InputError(f"{path}: imports itself").problems)
            return ()
        try:
            return self.within(path).nodes(self.library.read(path), scope)
        except InputError as error:
            self.notes.extend(error.problems)
            return ()

    def nodes(self, items: Any, scope: Scope) -> tuple[Node, ...]:
        """The tasks and blocks of a list, each with what it inherits from `scope`."""
        if items is None:
            return ()
        if not isinstance(items, list):
            self.notes.value(items, "", "a list of tasks is wanted")
            return ()
        return tuple(node for index in range(len(items)) for node in self._entry(items, index, scope))

    def _entry(self, items: list[Any], index: int, scope: Scope) -> tuple[Node, ...]:
        entry = items[index]
        if not isinstance(entry, dict):
            self.notes.key(items, index, "", "a task is a mapping", f"this is {type(entry).__name__}")
            return ()
        return (self._block(entry, scope),) if _is_block(entry) else self._task(entry, scope)

    def _block(self, entry: dict[str, Any], scope: Scope) -> Node:
        if scope.handler:
            self.notes.value(entry, "block", "a block is no handler", "write its tasks as handlers, or include_tasks")
        known, other = words.take(self.notes, entry, language.BLOCK)
        for name in other:
            words.refuse(self.notes, entry, name, language.BLOCK)
        syntax.check(self.notes, entry)
        inner = scope.narrow(known)
        parts = [self.nodes(entry.get(part), inner) for part in ("block", "rescue", "always")]
        return Block(parts[0], parts[1], parts[2], known.get("name", ""), where(entry))

    def _task(self, entry: dict[str, Any], scope: Scope) -> tuple[Node, ...]:
        module = self._module_of(entry)
        if module is None:
            return ()
        name = short(module)
        place = _place_of(name, scope)
        known, other = words.take(self.notes, entry, place)
        if "listen" in known and not scope.handler:
            self.notes.key(entry, "listen", "listen", "only a handler listens")
        for key in other:
            if key != module:
                words.refuse(self.notes, entry, key, place, self.library.modules)
        if scope.handler and name in ("import_role", "include_role"):
            self.notes.key(entry, module, name, "a role is no handler", "write include_tasks, or notify its handlers")
        if name in language.IMPORTS:
            return self._import(name, entry, module, known, scope)
        return (self._leaf(name, entry, module, known, scope),)

    def _module_of(self, entry: dict[str, Any]) -> str | None:
        """The key that names the module: the only one that is no keyword."""
        keys = [key for key in entry if not _is_keyword(key)]
        modules = [key for key in keys if short(str(key)) in CONTROL or short(str(key)) in self.library.modules]
        if len(modules) == 1 or (not modules and len(keys) == 1 and not self._refused(entry, keys[0])):
            return str((modules or keys)[0])
        if len(modules) > 1:
            self.notes.key(entry, modules[1], str(modules[1]), f"a second module beside {modules[0]}")
        elif not keys:
            self.notes.value(entry, "", "no module in this task")
        for key in keys if not modules else ():
            words.refuse(self.notes, entry, str(key), language.TASK, self.library.modules)
        return None

    def _refused(self, entry: dict[str, Any], key: Any) -> bool:
        return str(key) in language.REFUSED or str(key).startswith("with_")

    def _leaf(self, name: str, entry: dict[str, Any], module: str, known: dict[str, Any], scope: Scope) -> Task:
        args, more = entry[module], known.get("args")
        syntax.check(self.notes, entry)
        self._check_register(entry, known)
        self._check_args(name, entry, module, more)
        inner = scope.narrow(known)
        task = Task(
            uid=self.library.uid(),
            name=known.get("name", ""),
            where=where(entry),
            module=name,
            args=_with_more(args, more),
            scope=inner,
            outer=scope,
            own_vars=known.get("vars", {}),
            loop_control=self._loop_control(entry),
            **_own(known),
        )
        if name in language.INCLUDES:
            self._look_ahead(task, entry, module)
        return task

    def _check_args(self, name: str, entry: dict[str, Any], module: str, more: Any) -> None:
        if name == "meta":
            self._check_meta(entry, module)
        elif name not in CONTROL:
            found = self.library.check_module(name if name in self.library.modules else module, entry[module], more)
            spot = where_key(entry, module)
            self.notes.extend(found, spot)
            if name == "set_fact" and isinstance(entry[module], dict):
                reaching.check(self.notes, entry[module])

    def _check_register(self, entry: dict[str, Any], known: dict[str, Any]) -> None:
        name = known.get("register", "result")
        if not words.is_template(name) and not name.isidentifier():
            self.notes.key(entry, "register", "register", f"{name!r} is not a name for a variable")

    def _check_meta(self, entry: dict[str, Any], module: str) -> None:
        if entry[module] not in language.METAS:
            known = ", ".join(language.METAS)
            self.notes.key(entry, module, "meta", f"{entry[module]!r} is not supported", f"known: {known}")

    def _loop_control(self, entry: dict[str, Any]) -> LoopControl:
        value = entry.get("loop_control")
        if not isinstance(value, dict):
            return LoopControl()
        for name in value:
            if name not in language.LOOP_CONTROL:
                near = schema.did_you_mean(str(name), language.LOOP_CONTROL)
                self.notes.key(value, name, f"loop_control.{name}", "unknown option", near)
        given = {name: one for name, one in value.items() if name in language.LOOP_CONTROL}
        if "break_when" in given:
            given["break_when"] = words.conditions(given["break_when"])
        return LoopControl(**given)

    def _import(
        self, name: str, entry: dict[str, Any], module: str, known: dict[str, Any], scope: Scope
    ) -> tuple[Node, ...]:
        inner = scope.narrow(known)
        if name == "import_role":
            return roles.imported(self, entry, module, inner)
        file = _file_of(entry[module])
        path = self.find_tasks(self._static(file, inner), scope) if file else None
        if path is None:
            self.notes.key(entry, module, "import_tasks", f"no such file: {file!r}", self._static_hint(file))
            return ()
        return self.file_nodes(path, inner)

    def _static(self, text: str, scope: Scope) -> str:
        """A name with those variables in it that are known before the run; as written where others are needed."""
        known = {"playbook_dir": str(self.library.folder.resolve()), **scope.vars}
        known |= {"role_path": scope.role.path, "role_name": scope.role.name} if scope.role else {}
        try:
            return str(Templar(known).render(text))
        except TemplateError:
            return text

    def _static_hint(self, file: Any) -> str:
        return "an import is resolved before the run; use include_tasks" if words.is_template(file) else ""

    def find_tasks(self, name: str, scope: Scope) -> Path | None:
        """A tasks file, as Ansible searches: beside this file, in the role, beside the playbook."""
        bases = [self.file.parent]
        if scope.role:
            role = Path(scope.role.path)
            bases += [role / ("handlers" if scope.handler else "tasks"), role / "tasks", role]
        bases += [self.library.folder / "tasks", self.library.folder]
        return first_file((base / name) for base in bases)

    def _look_ahead(self, task: Task, entry: dict[str, Any], module: str) -> None:
        """Check what an include with a fixed name will bring, so that its mistakes are told before the run."""
        if task.module == "include_role":
            roles.look_ahead(self, task, entry, module)
            return
        file = _file_of(task.args)
        if not file:
            self.notes.key(entry, module, "include_tasks", "a file is wanted")
        elif not words.is_template(file):
            path = self.find_tasks(file, task.scope)
            if path is None:
                self.notes.key(entry, module, "include_tasks", f"no such file: {file!r}")
            elif path not in self.chain:
                replace(self, used=[], handlers=[]).file_nodes(path, task.outer)


def short(module: str) -> str:
    """A module's name without `ansible.builtin.`."""
    for prefix in PREFIXES:
        if module.startswith(prefix):
            return module[len(prefix) :]
    return module


def where_key(entry: dict[str, Any], key: str) -> Where:
    """The place of a key."""
    return Where(*schema.key_place(entry, key))


def _is_block(entry: Mapping[str, Any]) -> bool:
    return any(part in entry for part in ("block", "rescue", "always"))


_ALL = {word.name for word in language.KEYWORDS if word.where & (language.LEAVES | {language.INCLUDE})}


def _is_keyword(key: Any) -> bool:
    return key in _ALL


def _place_of(name: str, scope: Scope) -> str:
    if name in language.INCLUDES:
        return language.INCLUDE
    if name in language.IMPORTS:
        return language.IMPORT
    return language.HANDLER if scope.handler else language.TASK


def _with_more(args: Any, more: Any) -> Any:
    """The arguments and those of the `args` keyword; a text becomes `_raw` beside them."""
    if not more:
        return args
    return {**more, **args} if isinstance(args, dict) else {**more, **({"_raw": args} if args is not None else {})}


def _file_of(args: Any) -> str:
    return str(args.get("file", "")) if isinstance(args, dict) else str(args or "")


_RENAMED = {"async": "job_limit"}
_OWN = (
    "loop",
    "register",
    "until",
    "retries",
    "delay",
    "changed_when",
    "failed_when",
    "notify",
    "listen",
    "async",
    "poll",
)


def _own(known: Mapping[str, Any]) -> dict[str, Any]:
    return {_RENAMED.get(name, name): known[name] for name in _OWN if name in known}
