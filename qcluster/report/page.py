"""Pages that open from disk, one file each: how they are rendered, and where they may be written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from qcluster.errors import InputError

MARK = '<meta name="generator" content="qcluster">'
"""In the head of every page: only a file that has it is ever replaced."""
HEAD = 2000


def render(template: str, **values: Any) -> str:
    """The page that `report/templates/TEMPLATE` makes of `values`; all text in it is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("qcluster.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(**values)


def refuse(path: Path) -> None:
    """Raise InputError where a page cannot be written, before an hour's run finds that out."""
    if path.is_dir():
        raise InputError(f"--html {path}: this is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"--html {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"--html {path}: {path.parent} is not writable")
    if path.exists() and not _own(path):
        raise InputError(f"--html {path}: this file exists and is not a report of qcluster; name another one")


def _own(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return MARK in stream.read(HEAD)


def write(path: Path, page: str) -> str:
    """Write the page whole or not at all. What to tell the operator: where it is, and whether an older one went."""
    refuse(path)
    replaced = " (an older report was replaced)" if path.exists() else ""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(page, encoding="utf-8")
    beside.replace(path)
    return f"report: {path.resolve()}{replaced}"
