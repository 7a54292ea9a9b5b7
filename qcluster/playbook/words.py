"""Keywords of one mapping: known, allowed here, and of the right type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qcluster import schema
from qcluster.playbook import language, reaching
from qcluster.playbook.notes import Notes

_TRUTH = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False}


def take(notes: Notes, mapping: Mapping[str, Any], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keywords allowed in a `where` in their normal form, and every other key as written."""
    allowed = language.allowed(where)
    known, other = {}, {}
    for name, value in mapping.items():
        if name not in allowed:
            other[name] = value
            continue
        word = allowed[name]
        try:
            known[name] = value if value is None else _NORMAL[word.kind](value)
        except ValueError as error:
            notes.key(mapping, name, name, str(error))
    reaching.check(notes, known.get("vars") or {})
    return {name: value for name, value in known.items() if value is not None}, other


def refuse(notes: Notes, mapping: Mapping[str, Any], name: str, where: str, more: tuple[str, ...] = ()) -> None:
    """Note a key that is no keyword here."""
    if name in language.REFUSED or name.startswith("with_"):
        hint = language.REFUSED.get(name, "use loop")
        notes.key(mapping, name, name, "not part of this language", hint)
        return
    elsewhere = next((word for word in language.KEYWORDS if word.name == name), None)
    if elsewhere:
        places = " or ".join(place for place in language.PLACES if place in elsewhere.where)
        notes.key(mapping, name, name, f"not allowed in {_a(where)}", f"it belongs in a {places}")
        return
    near = schema.did_you_mean(str(name), [*language.allowed(where), *more])
    notes.key(mapping, name, str(name), f"unknown keyword of {_a(where)}", near)


def _a(where: str) -> str:
    return f"an {where}" if where.startswith("i") else f"a {where}"


def is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def boolean(value: Any) -> Any:
    """A truth word as a boolean, a template as it is. Raises ValueError."""
    if isinstance(value, bool) or is_template(value):
        return value
    word = str(value).lower()
    if word not in _TRUTH:
        raise ValueError(f"true or false is wanted, not {value!r}")
    return _TRUTH[word]


def _number(kind: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    def normal(value: Any) -> Any:
        if is_template(value):
            return value
        try:
            return kind(value) if not isinstance(value, bool) else _wrong(name, value)
        except (TypeError, ValueError):
            return _wrong(name, value)

    return normal


def _wrong(name: str, value: Any) -> Any:
    raise ValueError(f"{name} is wanted, not {value!r}")


def _text(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        _wrong("a text", value)
    return value if isinstance(value, str) else str(value)


def _sudo(value: Any) -> str:
    if value not in ("sudo", "ansible.builtin.sudo"):
        raise ValueError(f"only sudo is known, not {value!r}")
    return "sudo"


def _list(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _tags(value: Any) -> tuple[Any, ...]:
    """Tags may also be one text with commas."""
    parts = value.split(",") if isinstance(value, str) else _list(value)
    for word in filter(is_template, parts):
        raise ValueError(f"a tag is a name: {word!r} would not be rendered")
    return tuple(one.strip() if isinstance(value, str) else str(one) for one in parts)


def conditions(value: Any) -> tuple[Any, ...]:
    """A condition or a list of them; all must hold."""
    entries = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if any(isinstance(entry, (dict, list)) for entry in entries):
        _wrong("an expression", value)
    return entries


def _mapping(value: Any) -> Any:
    return value if isinstance(value, dict) else _wrong("a mapping", value)


def _environment(value: Any) -> tuple[Any, ...]:
    entries = tuple(value) if isinstance(value, list) else (value,)
    if not all(isinstance(entry, dict) or is_template(entry) for entry in entries):
        _wrong("a mapping", value)
    return entries


_NORMAL: Mapping[str, Callable[[Any], Any]] = {
    "bool": boolean,
    "int": _number(int, "a whole number"),
    "float": _number(float, "a number"),
    "text": _text,
    "sudo": _sudo,
    "list": _list,
    "tags": _tags,
    "mapping": _mapping,
    "conditions": conditions,
    "environment": _environment,
    "any": lambda value: value,
}
