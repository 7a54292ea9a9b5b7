"""Files on the controller, found where Ansible looks: the role, then the playbook, each in its `files/` or so first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qcluster.errors import TaskFailed
from qcluster.playbook.model import Task


def bases(task: Task, playbook_dir: str) -> tuple[Path, ...]:
    """The folders of a task, nearest first."""
    own = Path(task.where.file).parent
    role = (Path(task.role.path),) if task.role else ()
    return tuple(dict.fromkeys((*role, own, Path(playbook_dir))))


def find(folders: tuple[Path, ...], kind: str, name: str) -> Path:
    """A file called `name`; `kind` is `files`, `templates` or another folder. Raises TaskFailed."""
    tried = list(_candidates(folders, kind, name))
    found = next((path for path in tried if path.exists()), None)
    if found is None:
        places = ", ".join(str(path.parent) for path in tried)
        raise TaskFailed(f"Could not find or access '{name}' on the controller (searched in: {places})")
    return found


def _candidates(folders: tuple[Path, ...], kind: str, name: str) -> Iterator[Path]:
    path = Path(name).expanduser()
    if path.is_absolute():
        yield path
        return
    for folder in folders:
        yield from (folder / kind / name, folder / name)
