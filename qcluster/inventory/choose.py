"""Which inventory a command works on, when it is not named (issue 2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qcluster.errors import InputError

VARIABLE = "QCLUSTER_INVENTORY"
_MEMORY = Path(".qcluster") / "inventory"
_YAML = (".yml", ".yaml", ".json")


def find(argument: str | None, option: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The argument; `--inventory`; $QCLUSTER_INVENTORY; the one last used from here; the only one in inventories/.

    The path is as it was named, so relative to `cwd` where it can be: messages stay short.
    Raises InputError that lists the candidates.
    """
    for given, whence in ((argument, ""), (option, "--inventory"), (environ.get(VARIABLE), f"${VARIABLE}")):
        if given:
            return _existing(Path(given), whence, cwd)
    remembered = recall(cwd)
    if remembered is not None:
        return remembered
    found = candidates(cwd)
    if len(found) == 1:
        return found[0]
    raise InputError(_advice(found))


def remember(path: Path, cwd: Path) -> None:
    """Note `path` as the one last used from `cwd`. A directory that cannot be written is no reason to fail."""
    memory = cwd / _MEMORY
    try:
        memory.parent.mkdir(exist_ok=True)
        memory.write_text(f"{(cwd / path).resolve()}\n", encoding="utf-8")
    except OSError:
        return


def recall(cwd: Path) -> Path | None:
    """The inventory last used from `cwd`, where it is still there."""
    try:
        text = (cwd / _MEMORY).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return _short(Path(text), cwd) if text and Path(text).exists() else None


def candidates(cwd: Path) -> list[Path]:
    """The inventories in `inventories/`, sorted."""
    folder = cwd / "inventories"
    if not folder.is_dir():
        return []
    return sorted(_short(entry, cwd) for entry in folder.iterdir() if entry.is_file() and entry.suffix in _YAML)


def _existing(path: Path, whence: str, cwd: Path) -> Path:
    if not (cwd / path).exists():
        raise InputError(f"{path}: there is no such inventory" + (f" (from {whence})" if whence else ""))
    return path


def _short(path: Path, cwd: Path) -> Path:
    return path.relative_to(cwd) if path.is_relative_to(cwd) else path


def _advice(found: list[Path]) -> str:
    if not found:
        return "no inventory given and none in inventories/; name one, or write one with `qcluster init`"
    names = "\n".join(f"  {path}" for path in found)
    return f"no inventory given; name one, or set ${VARIABLE}. In inventories/ there are:\n{names}"
