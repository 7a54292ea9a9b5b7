"""Host names with ranges: `a3-[01:04]`, `rack[a:c]`, `n[0:10:2]`, and an SSH port at the end (`a3-[1:2]:2222`)."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

_PORT = re.compile(r"^(?P<name>[^\[\]:]*(?:\[[^\]]*\][^\[\]:]*)*):(?P<port>[0-9]{1,5})$")
_BRACKETED = re.compile(r"^\[(?P<name>[0-9a-fA-F:.%]+)\](?::(?P<port>[0-9]{1,5}))?$")
_RANGE = re.compile(r"\[([^\]]*)\]")


def split_port(text: str) -> tuple[str, int | None]:
    """A host name or pattern, and the port behind its last colon. An IPv6 address needs brackets to have one."""
    match = _BRACKETED.match(text) if text.count(":") > 1 else None
    match = match or _PORT.match(text)
    if match is None:
        return text, None
    return match["name"], int(match["port"]) if match["port"] else None


def expand(pattern: str) -> Iterator[str]:
    """Every name of a pattern, in order; the pattern itself where it has no range. Raises ValueError."""
    match = _RANGE.search(pattern)
    if match is None:
        if "[" in pattern or "]" in pattern:
            raise ValueError("a bracket is not closed")
        yield pattern
        return
    head = pattern[: match.start()]
    for middle in _members(match[1]):
        for tail in expand(pattern[match.end() :]):
            yield head + middle + tail


def _members(bounds: str) -> list[str]:
    first, last, step = _bounds(bounds)
    if first in string.ascii_letters and last in string.ascii_letters and len(first) == len(last) == 1:
        found = string.ascii_letters[string.ascii_letters.index(first) : string.ascii_letters.index(last) + 1 : step]
        return _some(list(found), bounds)
    if not (first.isdigit() and last.isdigit()):
        raise ValueError(f"[{bounds}] is neither a range of numbers nor of single letters")
    width = len(first) if first[0] == "0" and len(first) > 1 else 0
    if width and width != len(last):
        raise ValueError(f"[{bounds}]: with a leading zero both ends have as many digits")
    return _some([str(number).zfill(width) for number in range(int(first), int(last) + 1, step)], bounds)


def _bounds(bounds: str) -> tuple[str, str, int]:
    parts = bounds.split(":")
    if len(parts) not in (2, 3) or not parts[1]:
        raise ValueError(f"[{bounds}] is not a range; write [first:last] or [first:last:step]")
    step = parts[2] if len(parts) == 3 else "1"
    if not step.isdigit() or int(step) == 0:
        raise ValueError(f"[{bounds}]: the step is a number above zero")
    return parts[0] or "0", parts[1], int(step)


def _some(members: list[str], bounds: str) -> list[str]:
    if not members:
        raise ValueError(f"[{bounds}] is empty: it ends before it begins")
    return members
