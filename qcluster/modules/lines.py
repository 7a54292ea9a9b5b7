"""The lines of a file with one of them present or absent: `lineinfile` without a host. Bytes in, bytes out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

END = b"\n"


@dataclass(frozen=True)
class Wanted:
    """One line, and where it goes. Each expression is searched in a line, not matched from its start."""

    line: bytes = b""
    regexp: bytes | None = None
    search_string: bytes | None = None
    insertafter: bytes | None = None
    insertbefore: bytes | None = None
    backrefs: bool = False
    firstmatch: bool = False

    @property
    def anchor(self) -> re.Pattern[bytes] | None:
        """What the line is put next to, where that is an expression."""
        if self.insertafter not in (None, b"BOF", b"EOF"):
            return re.compile(self.insertafter or b"")
        if self.insertbefore not in (None, b"BOF"):
            return re.compile(self.insertbefore or b"")
        return None


@dataclass(frozen=True)
class Found:
    """Indices of the line itself and of the place next to the anchor; -1 where there is none."""

    line: int = -1
    place: int = -1
    match: re.Match[bytes] | None = None


def present(lines: list[bytes], wanted: Wanted) -> tuple[list[bytes], str]:
    """The new lines and Ansible's message; the message is empty where nothing changes."""
    found = _find(lines, wanted)
    if found.line >= 0:
        return _replaced(lines, wanted, found)
    if wanted.backrefs:
        return lines, ""
    return _inserted(lines, wanted, found)


def absent(lines: list[bytes], wanted: Wanted) -> tuple[list[bytes], int]:
    """The lines without those that match, and how many they were."""
    kept = [line for line in lines if not _matches(line, wanted)]
    return kept, len(lines) - len(kept)


def _matches(line: bytes, wanted: Wanted) -> bool:
    if wanted.regexp is not None:
        return re.search(wanted.regexp, line) is not None
    if wanted.search_string is not None:
        return wanted.search_string in line
    return wanted.line == line.rstrip(b"\r\n")


def _find(lines: list[bytes], wanted: Wanted) -> Found:
    asked = wanted.regexp is not None or wanted.search_string is not None
    hits = [at for at, line in enumerate(lines) if _matches(line, wanted)] if asked else []
    if hits:
        at = hits[0] if wanted.firstmatch else hits[-1]
        return Found(at, match=re.search(wanted.regexp, lines[at]) if wanted.regexp is not None else None)
    return _find_place(lines, wanted)


def _find_place(lines: list[bytes], wanted: Wanted) -> Found:
    """The line itself as it is, or the place next to the anchor."""
    found, anchor = Found(), wanted.anchor
    for at, line in enumerate(lines):
        if line.rstrip(b"\r\n") == wanted.line:
            found = replace(found, line=at)
        elif anchor and anchor.search(line):
            found = replace(found, place=at + 1 if wanted.insertafter else at)
            if wanted.firstmatch:
                break
    return found


def _replaced(lines: list[bytes], wanted: Wanted, found: Found) -> tuple[list[bytes], str]:
    line = found.match.expand(wanted.line) if wanted.backrefs and found.match else wanted.line
    line = line if line.endswith(END) else line + END
    if lines[found.line] == line:
        return lines, ""
    return [*lines[: found.line], line, *lines[found.line + 1 :]], "line replaced"


def _inserted(lines: list[bytes], wanted: Wanted, found: Found) -> tuple[list[bytes], str]:
    line = wanted.line + END
    if b"BOF" in (wanted.insertbefore, wanted.insertafter):
        return [line, *lines], "line added"
    if wanted.insertafter == b"EOF" or found.place == -1:
        return [*_closed(lines), line], "line added"
    closed = _closed(lines) if found.place == len(lines) else lines
    return [*closed[: found.place], line, *closed[found.place :]], "line added"


def _closed(lines: list[bytes]) -> list[bytes]:
    """With the last line ended."""
    if not lines or lines[-1].endswith((b"\n", b"\r")):
        return lines
    return [*lines[:-1], lines[-1] + END]
