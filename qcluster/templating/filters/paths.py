"""Filters on paths of the controller."""

from __future__ import annotations

import glob
import os.path
from collections.abc import Callable
from pathlib import Path
from typing import Any


def path_join(parts: Any) -> str:
    if isinstance(parts, str):
        return parts
    if not isinstance(parts, list | tuple):
        raise TypeError(f"path_join wants a text or a list, got a {type(parts).__name__}")
    return os.path.join(*parts)  # noqa: PTH118 - keeps `./` and a final slash


def commonpath(paths: Any) -> str:
    if not isinstance(paths, list | tuple):
        raise TypeError(f"commonpath wants a list, got a {type(paths).__name__}")
    return os.path.commonpath(paths)


def fileglob(pattern: str) -> list[str]:
    """The regular files of the controller that a pattern matches."""
    return [name for name in glob.glob(pattern) if Path(name).is_file()]  # noqa: PTH207 - a pattern, maybe absolute


FILTERS: dict[str, Callable[..., Any]] = {
    "basename": os.path.basename,
    "dirname": os.path.dirname,
    "expanduser": os.path.expanduser,
    "expandvars": os.path.expandvars,
    "realpath": os.path.realpath,
    "relpath": os.path.relpath,
    "normpath": os.path.normpath,
    "splitext": os.path.splitext,
    "path_join": path_join,
    "commonpath": commonpath,
    "fileglob": fileglob,
}
