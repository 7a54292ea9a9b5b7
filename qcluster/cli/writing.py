"""Files that a command leaves behind: a place that cannot be written to is bad input, not a traceback."""

from __future__ import annotations

from pathlib import Path


def write(path: Path, text: str, mode: int | None = None) -> None:
    """Write a file, and the folders above it. Raises InputError that names the path and what the system says."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if mode is not None:
            path.chmod(mode)
    except OSError as error:
        from qcluster.errors import InputError

        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
