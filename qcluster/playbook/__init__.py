"""Plays, roles and tasks: a strict subset of Ansible's language, checked whole before any host is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from qcluster.errors import InputError
from qcluster.playbook.library import CheckModule, Library, no_check
from qcluster.playbook.model import Playbook
from qcluster.playbook.notes import Notes
from qcluster.playbook.plays import plays
from qcluster.playbook.tasks import Reader
from qcluster.schema import did_you_mean, load_yaml

__all__ = ["CheckModule", "Library", "Playbook", "did_you_mean", "load"]


def load(
    path: Path,
    *,
    search: Iterable[Path] = (),
    check_module: CheckModule = no_check,
    modules: Iterable[str] = (),
    read: Callable[[Path], Any] = load_yaml,
) -> Playbook:
    """The playbook of a file.

    `search` are folders that hold `roles/`; `read` reads a YAML file.
    Raises InputError with every problem of the playbook and all its files.
    `qcluster.engine.load` calls this with the modules that exist.
    """
    library = Library(path.parent, tuple(search), check_module, tuple(modules), read)
    notes = Notes()
    reader = Reader(library, notes, path, (path,))
    try:
        found = tuple(plays(reader, library.read(path)))
    except InputError as error:
        notes.extend(error.problems)
        found = ()
    notes.raise_any()
    return Playbook(str(path), found)
