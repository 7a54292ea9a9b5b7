"""Files of a playbook: read once each, found where Ansible looks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from qcluster import schema
from qcluster.errors import InputError, Problem
from qcluster.playbook import reaching
from qcluster.playbook.notes import Notes

CheckModule = Callable[[str, Any, Any], tuple[Problem, ...]]
"""(module, arguments as written, the `args` keyword) → what is wrong with them."""


def no_check(module: str, args: Any, more: Any) -> tuple[Problem, ...]:
    return ()


@dataclass(frozen=True)
class Library:
    """What a loader reads from: the playbook's folder, further folders with roles, and the modules that exist.

    `search` are folders with a `roles/` inside or roles themselves. `load` reads one YAML file, encrypted or not.
    """

    folder: Path
    search: tuple[Path, ...] = ()
    check_module: CheckModule = no_check
    modules: tuple[str, ...] = ()
    load: Callable[[Path], Any] = schema.load_yaml
    _read: dict[Path, Any] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)

    def uid(self) -> str:
        """A name that no other task of this playbook has."""
        return f"t{next(self._numbers)}"

    def read(self, path: Path) -> Any:
        """The YAML of a file. Raises InputError."""
        if path not in self._read:
            self._read[path] = self.load(path)
        return self._read[path]

    def variables(self, path: Path | None, notes: Notes) -> dict[str, Any]:
        """A file of variables, or none; mistakes are noted."""
        if path is None:
            return {}
        try:
            value = self.read(path)
        except InputError as error:
            notes.extend(error.problems)
            return {}
        if value is not None and not isinstance(value, dict):
            notes.value(value, "", "a mapping of variables is wanted")
            return {}
        reaching.check(notes, value or {})
        return value or {}

    def role_folder(self, name: str, near: Path | None = None) -> Path | None:
        """Where a role is: beside the playbook, beside another role, or in a search folder."""
        return next((folder for folder in self._role_candidates(name, near) if folder.is_dir()), None)

    def role_names(self) -> list[str]:
        folders = [base / "roles" for base in (self.folder, *self.search)]
        return sorted({one.name for folder in folders if folder.is_dir() for one in folder.iterdir()})

    def _role_candidates(self, name: str, near: Path | None) -> Iterable[Path]:
        path = Path(name).expanduser()
        if path.is_absolute():
            yield path
            return
        if near:
            yield near.parent / name
        for base in (self.folder, *self.search):
            yield from (base / "roles" / name, base / name)


def first_file(candidates: Iterable[Path]) -> Path | None:
    """The first that exists."""
    return next((path for path in candidates if path.is_file()), None)


ENDINGS = (".yml", ".yaml", ".json")


def main_file(folder: Path, name: str = "") -> Path | None:
    """`main.yml` of a role's folder, in the spellings that Ansible knows; or one of another name."""
    return first_file(_spellings(folder, name))


def variable_files(folder: Path, name: str = "") -> list[Path]:
    """A role's variables: the file that `main_file` means, or all files of a folder of that name (`main/`)."""
    found = next((path for path in _spellings(folder, name) if path.exists()), None)
    return list(_inside(found)) if found else []


def _spellings(folder: Path, name: str) -> list[Path]:
    bare, spelled = folder / (name or "main"), [folder / f"{name or 'main'}{ending}" for ending in ENDINGS]
    return [bare, *spelled] if name else [*spelled, bare]


def _inside(path: Path) -> Iterator[Path]:
    """A file itself; of a folder every YAML file, in order of name."""
    if path.is_file():
        yield path
        return
    for entry in sorted(path.iterdir()):
        wanted = entry.suffix == "" or (entry.suffix in ENDINGS and entry.is_file())
        if wanted and not entry.name.startswith(".") and not entry.name.endswith("~"):
            yield from _inside(entry)
