"""A command line read back: its flags as a mapping."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def options(argv: Sequence[str]) -> dict[str, Any]:
    """Flag → value of a `vllm serve` command line. A bare flag is True, JSON is decoded, several values are a list."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in argv:
        if word.startswith("--"):
            name = word[2:]
            found[name] = []
        elif name:
            found[name].append(word)
    return {name: _value(words) for name, words in found.items()}


def _value(words: list[str]) -> Any:
    if not words:
        return True
    return decoded(words[0]) if len(words) == 1 else words


def decoded(word: str) -> Any:
    """A word that is a JSON object or list as what it means, any other as it is."""
    try:
        return json.loads(word) if word[:1] in "{[" else word
    except ValueError:
        return word


def number(flags: Mapping[str, Any], name: str) -> float | None:
    """A flag's value as a number, None where it is missing or none."""
    try:
        return float(flags[name])
    except (KeyError, TypeError, ValueError):
        return None
