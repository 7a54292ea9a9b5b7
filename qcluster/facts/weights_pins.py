"""The manifest that weights must match: a file on the controller, as `sha256sum` prints it or with sizes.

A line is `SHA256  NAME`, `SHA256 *NAME` (sha256sum) or `SHA256 SIZE NAME`; `#` begins a comment. Issue 6, Weights.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from qcluster.errors import InputError

LINE = re.compile(r"([0-9a-fA-F]{64}) (?:[ *]|(\d+) )(\S.*)")


@dataclass(frozen=True)
class Pinned:
    """What one file must be. `size` in bytes; None where the line does not say."""

    sha256: str
    size: int | None


def read(path: Path) -> dict[str, Pinned]:
    """Name → what it must be. Raises InputError with file and line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text") from error
    found = dict(_row(path, at, line) for at, line in enumerate(lines, 1) if line.strip() and line[0] != "#")
    if not found:
        raise InputError(f"{path} lists no files; make it with `cd WEIGHTS && sha256sum * >FILE`")
    return found


def _row(path: Path, at: int, line: str) -> tuple[str, Pinned]:
    match = LINE.fullmatch(line.rstrip())
    if match is None:
        raise InputError(f"{path}:{at}: not `SHA256 SIZE NAME`, nor a line of sha256sum: {line[:60]!r}")
    return match[3].removeprefix("./"), Pinned(match[1].lower(), int(match[2]) if match[2] else None)
