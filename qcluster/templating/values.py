"""The finished result of a template."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from types import GeneratorType
from typing import Any

import jinja2

from qcluster.schema import Text, Unsafe
from qcluster.templating.errors import Missing
from qcluster.templating.marks import MARKER, OMIT, SCALARS, is_known_plain


def finish(value: Any, lenient: bool = False) -> Any:
    """A template's result as plain data: tuples and generators are lists, `omit` items are gone.

    Raises what a missing value raises, and TypeError for what is no value at all (a method, a range), unless
    `lenient`: inside a longer text anything has a form. A text that looks like a template by now is data.
    """
    kind = type(value)
    if kind in SCALARS or kind is Unsafe:
        return value
    if isinstance(value, str):
        return _finish_text(value)
    if isinstance(value, jinja2.Undefined):
        return _finish_missing(value)
    if is_known_plain(value):
        return value
    if isinstance(value, dict):
        return {finish(key, lenient): finish(item, lenient) for key, item in value.items() if item is not OMIT}
    if isinstance(value, list | tuple | set | frozenset | GeneratorType):
        return [finish(item, lenient) for item in value if item is not OMIT]
    return _finish_other(value, lenient)


def _finish_missing(value: jinja2.Undefined) -> str:
    if isinstance(value, Missing):
        return str(value)
    raise jinja2.UndefinedError("an `if` without `else` gave nothing")


def _finish_text(value: str) -> str:
    if "{" in value and MARKER.search(value):
        return Unsafe(value)
    return value if type(value) in (str, Text) else str(value)


def _finish_other(value: Any, lenient: bool) -> Any:
    if isinstance(value, range) and not lenient:
        raise TypeError("a range is not a value; add `| list`")
    if callable(value) and not lenient:
        raise TypeError(f"a {type(value).__name__} is not a value; call it, or read an item with ['…']")
    if isinstance(value, Mapping):
        return {finish(key, lenient): finish(value[key], lenient) for key in value}
    if isinstance(value, Iterator | KeysView | ValuesView | ItemsView):
        return [finish(item, lenient) for item in value]
    return value
