"""`qcluster docs NAME`: roles, modules, keywords, variables, rules and findings, from the tables they live in."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from qcluster.cli.table import COMMANDS
from qcluster.errors import InputError


@click.command()
@click.argument("name", required=False, metavar="[NAME]")
def docs(name: str | None) -> None:
    """Print what NAME is: a role or a module with its arguments, a playbook keyword, an inventory variable, a lint rule
    (QC101), a finding of verify-network, an entry of the diagnosis catalogue, a command. Without NAME, list them all.
    """
    for line in _page(name) if name else _contents():
        click.echo(line)


def _page(name: str) -> Iterator[str]:
    from qcluster.modules import table
    from qcluster.playbook import language

    folder = _role(name)
    shown = [
        *_command_page(name),
        *(_role_page(name, folder) if folder else ()),
        *(_module_page(name) if table.known(name) else ()),
    ]
    for word in (word for word in language.KEYWORDS if word.name == name):
        shown.append(f"{name} (keyword of a {', '.join(sorted(word.where))}): {word.meaning}")
        shown += [f"  differs from Ansible: {word.difference}"] if word.difference else []
    shown += [*_call_page(name), *_variable_page(name), *_entry_page(name)]
    if not shown:
        raise InputError(f"{name}: nothing of that name is documented {_near(name, list(_known()))}".rstrip())
    return iter(shown)


def _command_page(name: str) -> Iterator[str]:
    if name in COMMANDS:
        yield f"qcluster {name} (a command): {COMMANDS[name].help}\n  qcluster {name} --help names its options"


def _call_page(name: str) -> Iterator[str]:
    """What brings tasks from elsewhere, the actions of `meta`, and the words that are refused on purpose."""
    from qcluster.playbook.language import CALLS, METAS, REFUSED

    if name in CALLS:
        words, meaning = CALLS[name]
        yield f"{name} (a task): {meaning}" + (f"\n  arguments: {', '.join(words)}" if words else "")
    if name == "meta":
        yield "\n".join(["meta (a task), one of:", *(f"  {one}: {meaning}" for one, meaning in METAS.items())])
    if name in REFUSED or name.startswith("with_"):
        yield f"{name} (of Ansible; refused here): {REFUSED.get(name, 'use loop')}"


def _variable_page(name: str) -> Iterator[str]:
    from qcluster.inventory.connection import CONNECTION
    from qcluster.inventory.settings import SETTINGS

    for word in (word for word in CONNECTION if name in (word.name, *word.aliases)):
        yield f"{word.name} (connection variable): {word.meaning}"
        yield from [f"  also: {', '.join(word.aliases)}"] if word.aliases else []
    one = SETTINGS.get(name)
    if one:
        default = f", default {one.default}" if one.default not in ("", None) else ""
        yield f"{name} (inventory variable of a {one.level}: {one.kind}{default}): {one.help}"
        yield from [f"  one of {', '.join(map(str, one.choices))}"] if one.choices else []


def _entry_page(name: str) -> Iterator[str]:
    """Pages of a rule, a finding or a catalogue entry; an id is found in any case."""
    from qcluster.report.pages import entry_pages

    for path, page in entry_pages().items():
        if Path(path).stem.lower() == name.lower():
            yield page.strip()


def _known() -> Iterator[str]:
    from qcluster.inventory.connection import CONNECTION
    from qcluster.inventory.settings import SETTINGS
    from qcluster.modules import table
    from qcluster.playbook import language
    from qcluster.report.pages import entry_pages

    yield from (*COMMANDS, *_roles(), *table.names(), *(word.name for word in language.KEYWORDS), *SETTINGS)
    yield from (*language.CALLS, *(word.name for word in CONNECTION))
    yield from (Path(path).stem for path in entry_pages())


def _near(name: str, known: list[str]) -> str:
    from qcluster.schema import did_you_mean

    near = did_you_mean(name, known)
    return f"({near})" if near else ""


def _contents() -> Iterator[str]:
    from qcluster.inventory.connection import CONNECTION
    from qcluster.inventory.settings import SETTINGS
    from qcluster.modules import table
    from qcluster.playbook import language
    from qcluster.report.pages import entry_pages

    yield from _names("commands", COMMANDS)
    yield from _names("roles", _roles())
    yield from _names("modules", table.names())
    yield from _names("keywords", sorted({word.name for word in language.KEYWORDS}))
    yield from _names("tasks and roles from elsewhere", language.CALLS)
    yield from _names("variables", SETTINGS)
    yield from _names("connection", (word.name for word in CONNECTION))
    for kind, paths in groupby(entry_pages(), key=lambda path: path.split("/")[0]):
        yield from _names(kind, (Path(path).stem for path in paths))
    yield "one of them: qcluster docs NAME"


def _names(kind: str, names: Iterable[str]) -> Iterator[str]:
    """A heading, and the names below it in lines that a terminal holds."""
    yield f"{kind}:"
    yield textwrap.fill(", ".join(names), 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    yield ""


def _folders() -> tuple[Path, ...]:
    from qcluster.cli.shipped import folders

    return folders("roles", Path.cwd())


def _roles() -> list[str]:
    return sorted({one.name for folder in _folders() for one in folder.iterdir() if one.is_dir()})


def _role(name: str) -> Path | None:
    return next((folder / name for folder in _folders() if (folder / name).is_dir()), None)


def _role_page(name: str, folder: Path) -> Iterator[str]:
    from qcluster.playbook.library import Library
    from qcluster.playbook.notes import Notes
    from qcluster.playbook.roles import entry_points

    points = entry_points(Library(folder.parent), folder, Notes())
    if not points:
        yield f"role {name}: no meta/argument_specs.yml"
    for point, spec in points.items():
        yield f"role {name}" + ("" if point == "main" else f", entry point {point}")
        about = spec.get("description") or spec.get("short_description") or ""
        for text in about if isinstance(about, list) else [about]:
            yield from [f"  {text}"] if text else []
        yield from _options(spec.get("options") or {}, 1)


def _options(options: Mapping[str, Any], depth: int) -> Iterator[str]:
    """One line an option; nested options below it."""
    for name, option in options.items():
        notes = [str(option.get("type", "str")), *(["required"] if option.get("required") else [])]
        notes += [f"default {option['default']}"] if option.get("default") not in (None, "") else []
        notes += [f"one of {', '.join(map(str, option['choices']))}"] if option.get("choices") else []
        about = option.get("description") or ""
        text = " ".join(map(str, about)) if isinstance(about, list) else str(about)
        yield f"{'  ' * depth}{name} ({', '.join(notes)})" + (f": {text}" if text else "")
        yield from _options(option.get("options") or {}, depth + 1)


def _module_page(name: str) -> Iterator[str]:
    from qcluster.modules import table

    spec = table.lookup(name).spec
    yield f"module {name}" + (f": {spec.help}" if spec.help else "")
    yield from _options({key: _described(option) for key, option in spec.options.items()}, 1)
    yield from [f"  a bare text is {spec.free_form}"] if spec.free_form else []


def _described(option: Any) -> dict[str, Any]:
    default = {} if option.default is None else {"default": option.default}
    shown = {"type": option.type, "required": option.required, "choices": option.choices, "description": option.help}
    return {**shown, **default}
