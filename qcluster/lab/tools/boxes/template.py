"""The part of Go templates that `docker --format` is asked for: fields, json, index, Label, range, if, println."""

from __future__ import annotations

import json
import re
from typing import Any

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')


class TemplateError(Exception):
    """The template uses what this simulation does not know, or a field that is not there."""


def render(template: str, value: Any) -> str:
    text = template.replace("\\t", "\t").replace("\\n", "\n")
    out, _ = _run(_ACTION.split(text), 0, value)
    return out


def _run(parts: list[str], at: int, dot: Any) -> tuple[str, int]:
    """Render from `at` (texts are at even places, actions at odd ones) to the matching `end`."""
    out = [parts[at]]
    at += 1
    while at < len(parts):
        action = parts[at]
        if action in ("end", "else"):
            return "".join(out), at
        text, at = _action(parts, at, dot)
        out.append(text)
        out.append(parts[at + 1])
        at += 2
    return "".join(out), at


def _action(parts: list[str], at: int, dot: Any) -> tuple[str, int]:
    word, _, rest = parts[at].partition(" ")
    if word == "range":
        return _range(parts, at, evaluate(rest, dot))
    if word == "if":
        return _if(parts, at, dot, bool(evaluate(rest, dot)))
    return _shown(evaluate(parts[at], dot)), at


def _range(parts: list[str], at: int, items: Any) -> tuple[str, int]:
    rows = list(items.values() if isinstance(items, dict) else items or [])
    _, end = _run(parts, at + 1, None) if not rows else ("", 0)
    out = []
    for row in rows:
        text, end = _run(parts, at + 1, row)
        out.append(text)
    return "".join(out), end


def _if(parts: list[str], at: int, dot: Any, holds: bool) -> tuple[str, int]:
    first, end = _run(parts, at + 1, dot)
    second = ""
    if parts[end] == "else":
        second, end = _run(parts, end + 1, dot)
    return (first if holds else second), end


def evaluate(expression: str, dot: Any) -> Any:
    words = _WORD.findall(expression)
    if not words:
        raise TemplateError(f"empty action in the template: {expression!r}")
    head, rest = words[0], [_operand(word, dot) for word in words[1:]]
    if head in ("json", "len", "index", "println", "join", "lower", "upper"):
        return _call(head, rest)
    if head == ".Label":
        return _labels(dot).get(rest[0], "")
    return _operand(head, dot)


def _labels(dot: Any) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in str(dot.get("Labels", "")).split(",") if pair)
    return {name: value for name, _, value in pairs}


def _call(name: str, rest: list[Any]) -> Any:
    if name == "json":
        return json.dumps(rest[0], separators=(",", ":"))
    if name == "len":
        return len(rest[0] or ())
    if name == "println":
        return f"{rest[0]}\n"
    if name == "join":
        return rest[1].join(rest[0])
    if name in ("lower", "upper"):
        return getattr(str(rest[0]), name)()
    found = rest[0]
    for key in rest[1:]:
        found = _index(found, key)
    return found


def _index(found: Any, key: Any) -> Any:
    if isinstance(found, dict):
        return found.get(key, "")
    try:
        return (found or [])[int(key)]
    except IndexError as error:
        raise TemplateError("template: error calling index: index out of range") from error


def _operand(word: str, dot: Any) -> Any:
    if word.startswith('"'):
        return json.loads(word)
    if word.isdigit():
        return int(word)
    if not word.startswith("."):
        raise TemplateError(f'function "{word}" not defined')
    found = dot
    for name in word.strip(".").split("."):
        if name:
            found = _field(found, name)
    return found


def _field(found: Any, name: str) -> Any:
    if isinstance(found, dict) and name in found:
        return found[name]
    raise TemplateError(f'template: :1:2: executing "" at <.{name}>: map has no entry for key "{name}"')


def _shown(value: Any) -> str:
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + " ".join(_shown(item) for item in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_shown(value[key])}" for key in sorted(value)) + "]"
    return str(value)
