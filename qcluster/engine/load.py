"""Loading a playbook with the modules that exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from qcluster import playbook
from qcluster.engine.ready import parse
from qcluster.errors import Problem
from qcluster.modules import arguments, table
from qcluster.playbook.model import Playbook
from qcluster.playbook.tasks import short
from qcluster.schema import load_yaml


def load(path: Path, *, search: Iterable[Path] = (), read: Callable[[Path], Any] = load_yaml) -> Playbook:
    """The playbook of a file, with every module and every argument checked.

    `search` are folders that hold `roles/`; `read` reads a YAML file, such as `Vault.load`.
    Raises InputError with all problems of all its files.
    """
    return playbook.load(path, search=search, check_module=check_module, modules=table.names(), read=read)


def check_module(name: str, args: Any, more: Any) -> tuple[Problem, ...]:
    """What is wrong with a task's module and its arguments."""
    if not table.known(name):
        near = playbook.did_you_mean(short(name), table.names())
        return (Problem("", 0, name, "no such module, and no keyword of a task", near),)
    module = table.lookup(name)
    raw = {**more, "_raw": args} if isinstance(more, dict) and not isinstance(args, dict) else args
    raw = {**more, **args} if isinstance(more, dict) and isinstance(args, dict) else raw
    try:
        return arguments.check(module.spec, parse(module.spec, raw), name)
    except ValueError as error:
        return (Problem("", 0, name, str(error)),)
