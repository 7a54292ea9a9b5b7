"""Ansible's YAML inventory files, and the group_vars/ and host_vars/ beside them, into a draft."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from qcluster.errors import InputError, Problem
from qcluster.inventory.draft import Draft
from qcluster.inventory.ranges import expand, split_port
from qcluster.inventory.vault import Vault
from qcluster.schema import Map, did_you_mean, item_place, key_place, load_yaml, place

SECTIONS = ("hosts", "children", "vars")
_YAML = (".yml", ".yaml", ".json")
_IGNORED = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
_VARS_DIRS = ("group_vars", "host_vars", "vars_plugins")


def read_source(path: Path, vault: Vault, playbook_dir: Path | None = None) -> Draft:
    """Everything that an inventory file or directory says. Raises InputError with all mistakes of all files."""
    draft = Draft()
    for file in _files(path, draft):
        _guarded(draft, partial(_read_file, draft, file, vault))
    draft.settle()
    base = path if path.is_dir() else path.parent
    _read_folders(draft, base, vault, "beside")
    if playbook_dir is not None and playbook_dir.resolve() != base.resolve():
        _read_folders(draft, playbook_dir, vault, "adjacent")
    if draft.problems:
        raise InputError(sorted(draft.problems))
    return draft


def _read_folders(draft: Draft, base: Path, vault: Vault, kind: str) -> None:
    """group_vars/ and host_vars/ of a folder, into the layers named `kind` of their groups and hosts."""
    for folder, owners in (("group_vars", draft.groups), ("host_vars", draft.hosts)):
        for name, owner in owners.items():
            for file in vars_files(base / folder, name):
                _guarded(draft, partial(_read_vars, draft, file, vault, getattr(owner, kind)))


def _guarded(draft: Draft, read: Callable[[], None]) -> None:
    try:
        read()
    except InputError as error:
        draft.problems.extend(error.problems)


def _files(path: Path, draft: Draft) -> Iterator[Path]:
    if not path.exists():
        raise InputError([Problem(str(path), 0, "", "there is no such inventory")])
    if not path.is_dir():
        yield path
        return
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(".") or entry.name.endswith(_IGNORED) or entry.name in _VARS_DIRS:
            continue
        if entry.is_dir():
            yield from _files(entry, draft)
        elif entry.suffix in _YAML:
            yield entry
        else:
            draft.problems.append(Problem(str(entry), 0, "", "only YAML inventories are read (.yml, .yaml, .json)"))


def vars_files(folder: Path, name: str) -> list[Path]:
    """The files of `group_vars/NAME`: the file, with or without an extension, or all files of the directory."""
    for suffix in ("", *_YAML):
        candidate = folder / f"{name}{suffix}"
        if candidate.is_dir():
            return list(_vars_dir(candidate))
        if candidate.is_file():
            return [candidate]
    return []


def _vars_dir(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        if entry.is_dir():
            yield from _vars_dir(entry)
        elif entry.suffix in ("", *_YAML):
            yield entry


def _read_vars(draft: Draft, file: Path, vault: Vault, into: list[dict[str, Any]]) -> None:
    data = vault.load(file)
    if isinstance(data, Map):
        into.append(data)
    elif data is not None:
        draft.problems.append(Problem(str(file), place(data).line or 1, "", "variables are a mapping of name to value"))


def _read_file(draft: Draft, file: Path, vault: Vault) -> None:
    data = load_yaml(file, tags=vault.tags)
    if data is None:
        return
    if not isinstance(data, Map):
        what = "an inventory is a mapping of groups: all: {hosts: …, children: …}"
        draft.problems.append(Problem(str(file), place(data).line or 1, "", what, _ini_hint(data)))
        return
    if "plugin" in data:
        draft.note(key_place(data, "plugin"), "plugin", "inventory plugins are not supported", "write hosts as YAML")
        return
    for name, group in data.items():
        _group(draft, str(name), group, (data, name))


def _ini_hint(data: object) -> str:
    return "this looks like an INI file; only YAML is read" if isinstance(data, str | list) else ""


def _group(draft: Draft, name: str, data: Any, at: tuple[Any, Any], path: str = "") -> None:
    path = f"{path}.{name}" if path else name
    draft.group(name, key_place(*at))
    if data is None:
        return
    if not isinstance(data, Map):
        draft.note(item_place(*at), path, "a group is a mapping of hosts, children and vars")
        return
    for key in data:
        if key in _READERS:
            _READERS[key](draft, name, data, path)  # in the order written, as Ansible does
        else:
            hint = did_you_mean(str(key), SECTIONS) or f"hosts stand under {name}.hosts, groups under {name}.children"
            draft.note(key_place(data, key), path, f"unknown key {key!r}", hint)


def _vars(draft: Draft, group: str, data: Map, path: str) -> None:
    variables = _section(draft, data, "vars", path)
    if variables:
        priority = variables.pop("ansible_group_priority", None)
        draft.group(group).written.append(variables)
        _priority(draft, group, variables, priority)


def _section(draft: Draft, data: Map, key: str, path: str) -> Map:
    value = data.get(key)
    if isinstance(value, str) and key != "vars":
        return Map({str(value): None})
    if value is None:
        return Map()
    if isinstance(value, Map):
        return value
    hint = "each one is a key with a colon: `name:`" if isinstance(value, list) else ""
    draft.note(item_place(data, key), f"{path}.{key}", f"is a mapping, not a {_kind(value)}", hint)
    return Map()


def _kind(value: object) -> str:
    return "list" if isinstance(value, list) else "single value"


def _priority(draft: Draft, name: str, variables: Map, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, int | str) and str(value).lstrip("-").isdigit():
        draft.group(name).priority = int(value)
        return
    draft.note(
        key_place(variables, "ansible_group_priority"), f"{name}.vars", "ansible_group_priority is a whole number"
    )


def _hosts(draft: Draft, group: str, data: Map, path: str) -> None:
    hosts = _section(draft, data, "hosts", path)
    for pattern, variables in hosts.items():
        where = f"{path}.hosts.{pattern}"
        if variables is not None and not isinstance(variables, Map):
            draft.note(item_place(hosts, pattern), where, "the variables of a host are a mapping")
            continue
        name, port = split_port(str(pattern))
        try:
            names = list(expand(name))
        except ValueError as error:
            draft.note(key_place(hosts, pattern), where, str(error))
            continue
        at = key_place(hosts if hasattr(hosts, "marks") else data, pattern)
        for host in names:
            _host(draft, group, host, variables, _port_layer(hosts, pattern, port))
            draft.host(host, at)


def _port_layer(hosts: Map, pattern: str, port: int | None) -> Map | None:
    if port is None:
        return None
    layer = Map(ansible_port=port)
    if hasattr(hosts, "marks"):
        layer.marks = hosts.marks._replace(place=key_place(hosts, pattern), keys={}, items={}, written={})
    return layer


def _host(draft: Draft, group: str, name: str, variables: Map | None, port: Map | None) -> None:
    draft.group(group).hosts[name] = None
    layers = (variables,) if name in draft.hosts else (port, variables)  # as Ansible: a port counts where first named
    draft.host(name).written.extend(layer for layer in layers if layer)


def _children(draft: Draft, group: str, data: Map, path: str) -> None:
    children = _section(draft, data, "children", path)
    for name, child in children.items():
        if not draft.adopt(group, str(name)):
            draft.note(key_place(children, name), f"{path}.children", f"group {name!r} would contain itself")
            continue
        _group(draft, str(name), child, (children, name), f"{path}.children")


_READERS: dict[Any, Callable[[Draft, str, Map, str], None]] = {"vars": _vars, "children": _children, "hosts": _hosts}
