"""Plays: their keywords, sections, roles, handlers and variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from qcluster import schema
from qcluster.errors import InputError
from qcluster.playbook import handlers, language, roles, syntax, words
from qcluster.playbook.library import first_file
from qcluster.playbook.model import Node, Play, Scope, Task
from qcluster.playbook.notes import where
from qcluster.playbook.tasks import Reader

SECTIONS = ("pre_tasks", "tasks", "post_tasks")


def plays(reader: Reader, entries: Any) -> Iterator[Play]:
    """All plays of one file, those of imported playbooks in their place."""
    if not isinstance(entries, list):
        reader.notes.value(entries, "", "a playbook is a list of plays")
        return
    if not entries:
        reader.notes.value(entries, "", "a playbook holds at least one play")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            reader.notes.key(entries, index, "", "a play is a mapping")
        elif any(key in entry for key in ("import_playbook", "ansible.builtin.import_playbook")):
            yield from _imported(reader, entry)
        else:
            yield _play(replace(reader, used=[], handlers=[]), entry)


def _imported(reader: Reader, entry: dict[str, Any]) -> Iterator[Play]:
    key = next(key for key in entry if key.endswith("import_playbook"))
    known = _of_import(reader, entry, key)
    path = reader.file.parent / str(entry[key])
    if not path.is_file() or path in reader.chain:
        reader.notes.key(entry, key, "import_playbook", f"no such file: {entry[key]!r}")
        return
    library = replace(reader.library, folder=path.parent)
    variables = known.pop("vars", {})
    there = replace(reader, library=library, around=reader.around.narrow(known)).within(path)
    try:
        for play in plays(there, library.read(path)):
            yield replace(play, vars={**play.vars, **variables})
    except InputError as error:
        reader.notes.extend(error.problems)


_FALL_ON_PLAYS = ("name", "vars", "tags", "when")
"""What an import may say of its plays (Ansible passes over all other keywords)."""


def _of_import(reader: Reader, entry: dict[str, Any], key: str) -> dict[str, Any]:
    known, other = words.take(reader.notes, entry, language.IMPORT)
    for name in [*known, *other]:
        if name not in (*_FALL_ON_PLAYS, key):
            reader.notes.key(entry, name, name, "not allowed beside import_playbook", "write it in the plays")
    syntax.check(reader.notes, entry)
    return {name: known[name] for name in ("tags", "when", "vars") if name in known}


_SETTINGS = ("strategy", "max_fail_percentage", "gather_facts", "order", "force_handlers")


def _play(reader: Reader, entry: dict[str, Any]) -> Play:
    known = _known(reader, entry)
    hosts = ",".join(str(one) for one in known.get("hosts", ()))
    scope = reader.around.narrow({name: value for name, value in known.items() if name != "vars"})
    sections, all_handlers = _content(reader, entry, scope)
    return Play(
        library=reader.library,
        folder=str(reader.library.folder.resolve()),
        name=known.get("name") or hosts,
        where=where(entry),
        hosts=hosts,
        scope=scope,
        patterns=known.get("hosts", ()),
        sections=sections,
        handlers=all_handlers,
        roles=tuple(reader.used),
        vars=known.get("vars", {}),
        vars_files=_vars_files(reader, entry, known),
        serial=known_serial(known.get("serial")),
        **{name: known[name] for name in _SETTINGS if name in known},
    )


def _known(reader: Reader, entry: dict[str, Any]) -> dict[str, Any]:
    """The keywords of a play, every mistake in them noted."""
    known, other = words.take(reader.notes, entry, language.PLAY)
    for name in other:
        words.refuse(reader.notes, entry, name, language.PLAY)
    _check(reader, entry, known)
    syntax.check(reader.notes, entry)
    return known


Sections = tuple[tuple[Node, ...], ...]


def _content(reader: Reader, entry: dict[str, Any], scope: Scope) -> tuple[Sections, tuple[Task, ...]]:
    """The sections and the handlers; those of `roles` come first, those of imported roles last (the last one wins)."""
    listed = roles.listed(reader, entry["roles"], scope) if entry.get("roles") else ()
    first = tuple(reader.handlers)
    reader.handlers.clear()
    pre, tasks, post = (reader.nodes(entry.get(part), scope) for part in SECTIONS)
    own = handlers.tasks_of(reader.nodes(entry.get("handlers"), replace(scope, handler=True, when=())))
    everyone = (*first, *own, *reader.handlers)
    sections = (pre, (*listed, *tasks), post)
    handlers.check(reader, sections, everyone)
    return sections, everyone


def known_serial(value: Any) -> tuple[Any, ...]:
    """`serial` as a sequence of batch sizes: numbers or percentages."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def _check(reader: Reader, entry: dict[str, Any], known: Mapping[str, Any]) -> None:
    if not known.get("hosts"):
        reader.notes.value(entry, "hosts", "a play needs hosts")
    for name, choices in (("strategy", language.STRATEGIES), ("order", language.ORDERS)):
        if known.get(name, choices[0]) not in choices:
            near = schema.did_you_mean(str(known[name]), choices)
            reader.notes.key(entry, name, name, f"{known[name]!r} is not one of {', '.join(choices)}", near)
    for size in known_serial(known.get("serial")):
        if not words.is_template(size) and not str(size).rstrip("%").isdigit():
            reader.notes.key(entry, "serial", "serial", f"{size!r} is neither a number nor a percentage")


def _vars_files(reader: Reader, entry: dict[str, Any], known: Mapping[str, Any]) -> tuple[Any, ...]:
    """The contents of files with fixed names; a text where a variable decides."""
    return tuple(_vars_file(reader, entry, name) for name in known.get("vars_files", ()))


def _vars_file(reader: Reader, entry: dict[str, Any], name: Any) -> Any:
    options = name if isinstance(name, list) else [name]
    if any(words.is_template(one) for one in options):
        return name
    path = find_vars(reader.file.parent, options)
    if path is None:
        reader.notes.key(entry, "vars_files", "vars_files", f"no such file: {name!r}")
        return {}
    return reader.library.variables(path, reader.notes)


def find_vars(folder: Path, names: list[Any]) -> Path | None:
    """The first of several files that exists, beside the playbook or in its `vars/`."""
    return first_file(base / str(name) for name in names for base in (folder / "vars", folder))
