"""The conversions that Ansible makes between an argument as written and the type that its option declares."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from qcluster.modules.words import pairs_and_rest
from qcluster.secret import Secret

_TRUE = {"y", "yes", "on", "1", "true", "t"}
_FALSE = {"n", "no", "off", "0", "false", "f"}


def convert(value: Any, kind: str, elements: str = "") -> Any:
    """`value` as `kind`; raises `ValueError` that says what was expected."""
    try:
        converted = _CONVERSIONS[kind](value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r} is not {_NAMES[kind]}") from None
    return [convert(one, elements) for one in converted] if elements and kind == "list" else converted


def boolean(value: Any) -> bool:
    """Ansible's truth words: yes/no, on/off, true/false, 1/0, y/n, t/f."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int, float)) else ""
    if word in _TRUE or value == 1:
        return True
    if word in _FALSE or value == 0:
        return False
    raise ValueError(value)


def plain(value: Any) -> str:
    """The text of a value, of a secret too: only for what goes into a file, a stdin or a request."""
    return value.reveal() if isinstance(value, Secret) else str(value)


def _text(value: Any) -> str | Secret:
    return value if isinstance(value, (str, Secret)) else str(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(value)
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def _list(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, str):
        return [word.strip() for word in value.split(",")]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [str(value)]
    raise ValueError(value)


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, str):
        raise ValueError(value)
    if value.lstrip().startswith("{"):
        return dict(json.loads(value))
    pairs, rest = pairs_and_rest(value.replace(",", " "), None)
    if rest or not pairs:
        raise ValueError(value)
    return dict(pairs)


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "str": _text, "path": _text, "bool": boolean, "int": _integer, "float": _number, "list": _list,
    "dict": _mapping, "raw": lambda value: value,
}  # fmt: skip
_NAMES: Mapping[str, str] = {
    "str": "text", "path": "a path", "bool": "a boolean (yes or no)", "int": "a whole number", "float": "a number",
    "list": "a list", "dict": "a mapping", "raw": "a value",
}  # fmt: skip
