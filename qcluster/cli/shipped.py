"""Where playbooks, roles and example inventories are: a local folder wins over what the package ships."""

from __future__ import annotations

from pathlib import Path

from qcluster.errors import InputError

_PACKAGE = Path(__file__).resolve().parent.parent


def folders(kind: str, cwd: Path) -> tuple[Path, ...]:
    """The existing folders of `kind` (`playbooks`, `roles`, `inventories`), the one that wins first.

    An installed wheel holds them in `qcluster/_shipped`; a checkout beside the package.
    """
    places = (cwd / kind, _PACKAGE / "_shipped" / kind, _PACKAGE.parent / kind)
    return tuple(dict.fromkeys(place.resolve() for place in places if place.is_dir()))


def roots(cwd: Path) -> tuple[Path, ...]:
    """The folders that hold a `roles/`, the one that wins first."""
    return tuple(folder.parent for folder in folders("roles", cwd))


def playbook(name: str, cwd: Path) -> Path:
    """The file of one of this tool's own playbooks."""
    for folder in folders("playbooks", cwd):
        if (folder / f"{name}.yaml").exists():
            return folder / f"{name}.yaml"
    raise InputError(f"no playbook {name}.yaml in {', '.join(map(str, folders('playbooks', cwd))) or 'playbooks/'}")
