"""Comparing versions in the five ways of Ansible's `version` test."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

_OPERATORS = {
    "==": operator.eq,
    "=": operator.eq,
    "eq": operator.eq,
    "<": operator.lt,
    "lt": operator.lt,
    "<=": operator.le,
    "le": operator.le,
    ">": operator.gt,
    "gt": operator.gt,
    ">=": operator.ge,
    "ge": operator.ge,
    "!=": operator.ne,
    "<>": operator.ne,
    "ne": operator.ne,
}
_SEMANTIC = re.compile(
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$"
)
_STRICT = re.compile(r"^(\d+)\.(\d+)(?:\.(\d+))?(?:([ab])(\d+))?$", re.ASCII)


def loose(text: str) -> Any:
    """Digits and letters alternately; numbers compare as numbers."""
    parts = [part for part in re.split(r"(\d+|[a-z]+|\.)", text) if part and part != "."]
    return [int(part) if part.isdigit() else part for part in parts]


def strict(text: str) -> Any:
    match = _STRICT.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a strict version (1.2, 1.2.3, 1.2a1)")
    numbers = (int(match[1]), int(match[2]), int(match[3] or 0))
    return (numbers, (match[4], int(match[5])) if match[4] else ("z", 0))


def semantic(text: str) -> Any:
    match = _SEMANTIC.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a semantic version (1.2.3-rc.1)")
    numbers = (int(match[1]), int(match[2]), int(match[3]))
    if match[4] is None:
        return (numbers, 1, ())
    return (numbers, 0, tuple(_identifier(part) for part in match[4].split(".")))


def _identifier(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdigit() else (1, 0, part)


def pep440(text: str) -> Any:
    from packaging.version import Version

    return Version(text)


READERS: dict[str, Callable[[str], Any]] = {
    "loose": loose,
    "strict": strict,
    "semver": semantic,
    "semantic": semantic,
    "pep440": pep440,
}


def compare(value: Any, version: Any, operator: str = "eq", strict: Any = None, version_type: Any = None) -> bool:
    """True where `value OPERATOR version` holds. Raises ValueError for what is not a version."""
    if strict is not None and version_type is not None:
        raise ValueError("version: give strict or version_type, not both")
    if not value or not version:
        raise ValueError("version: both versions are non-empty texts")
    if operator not in _OPERATORS:
        raise ValueError(f"version: the operator is one of {', '.join(_OPERATORS)}, not {operator!r}")
    kind = version_type or ("strict" if strict else "loose")
    if kind not in READERS:
        raise ValueError(f"version: version_type is one of {', '.join(READERS)}, not {kind!r}")
    read = READERS[kind]
    try:
        one, other = read(str(value)), read(str(version))
        if one != other:
            one < other  # noqa: B015 - raises TypeError where they cannot be ordered, also for `eq`, as in Ansible
        return bool(_OPERATORS[operator](one, other))
    except TypeError:
        raise ValueError(f"version: {value} and {version} cannot be compared as {kind} versions") from None
