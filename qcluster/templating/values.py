"""Values on their way through templates: what is a template, what is data, what is left out, what stays lazy."""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from types import GeneratorType
from typing import Any

import jinja2

from qcluster.schema import Text, Unsafe
from qcluster.secret import Secret
from qcluster.templating.errors import Missing

_MARKER = re.compile(r"\{[{%#]")
HEADER = "#jinja2:"
_SCALARS = (int, float, bool, type(None))
Reader = Callable[[Any], Any]


class _Omit:
    """The value of `omit`: the argument that gets it is treated as not given."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "OMIT"

    def __copy__(self) -> _Omit:
        return self

    def __deepcopy__(self, memo: object) -> _Omit:
        return self


OMIT = _Omit()


def is_template(text: object) -> bool:
    """True for a text that Jinja would render: `{{`, `{%` or `{#` in it, and not marked as data."""
    return isinstance(text, str) and ("{" in text or text[:8] == HEADER) and _marked(text)


def _marked(text: str) -> bool:
    if isinstance(text, Unsafe):
        return False
    return _MARKER.search(text) is not None or text.startswith(HEADER)


def unsafe(value: Any) -> Any:
    """`value` as data: braces in what a host answered are never rendered. Returned as it is where none are."""
    if isinstance(value, str):
        return Unsafe(value) if is_template(value) else value
    if isinstance(value, dict):
        return value if is_plain(value) else {unsafe(key): unsafe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return value if is_plain(value) else [unsafe(item) for item in value]
    return value


def is_plain(value: Any) -> bool:
    """True where rendering would change nothing: no template, no secret, no `omit` anywhere inside."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if isinstance(value, str):
        return not is_template(value)
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    return not isinstance(value, tuple | Secret | _Omit | Missing)


class LazyDict(dict[Any, Any]):
    """A variable's mapping inside a template: an item is rendered when it is read."""

    __slots__ = ("_read", "_seen")

    def __init__(self, raw: Mapping[Any, Any], read: Reader):
        super().__init__(raw)
        self._read, self._seen = read, set[Any]()

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        if key in self._seen:
            return value
        value = self._read(value)
        super().__setitem__(key, value)
        self._seen.add(key)
        return value

    def __iter__(self) -> Iterator[Any]:
        return super().__iter__()  # overridden so that `dict(lazy)` takes no short cut past `__getitem__`

    def __setitem__(self, key: Any, value: Any) -> None:
        self._seen.add(key)
        super().__setitem__(key, value)

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401 - `get` must read through `self[key]`

    def items(self) -> Any:
        self._all()
        return super().items()

    def values(self) -> Any:
        self._all()
        return super().values()

    def pop(self, key: Any, *default: Any) -> Any:
        if key in self:
            self[key]
        return super().pop(key, *default)

    def copy(self) -> dict[Any, Any]:
        self._all()
        return dict(super().items())

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __eq__(self, other: object) -> bool:
        self._all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __str__(self) -> str:
        return str(finish(self))

    __repr__ = __str__

    def _all(self) -> None:
        for key in self:
            self[key]


class LazyList(list[Any]):
    """A variable's sequence inside a template: an item is rendered when it is read."""

    __slots__ = ("_raw", "_read")

    def __init__(self, raw: Any, read: Reader):
        super().__init__(raw)
        self._read, self._raw = read, set(range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            self._all()
            return super().__getitem__(index)
        value = super().__getitem__(index)
        at = index + len(self) if index < 0 else index
        if at in self._raw:
            value = self._read(value)
            super().__setitem__(at, value)
            self._raw.discard(at)
        return value

    def __iter__(self) -> Iterator[Any]:
        if not self._raw:
            return super().__iter__()
        return (self[index] for index in range(len(self)))

    def _all(self) -> None:
        if self._raw:
            for index in tuple(self._raw):
                self[index]

    def __eq__(self, other: object) -> bool:
        self._all()
        if isinstance(other, LazyList):
            other._all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __contains__(self, item: object) -> bool:
        self._all()
        return super().__contains__(item)

    def __add__(self, other: Any) -> list[Any]:
        return [*self, *other]

    def __radd__(self, other: Any) -> list[Any]:
        return [*other, *self]

    __hash__ = None

    def __str__(self) -> str:
        return str(finish(self))

    __repr__ = __str__


def _whole(name: str) -> Any:
    """A list's own method, on a list whose items are all rendered (positions may move)."""
    method = getattr(list, name)

    def call(self: LazyList, *args: Any, **kwargs: Any) -> Any:
        self._all()
        return method(self, *args, **kwargs)

    return call


for _name in ("append", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort", "clear"):
    setattr(LazyList, _name, _whole(_name))


def finish(value: Any) -> Any:
    """A template's result as plain data: tuples and generators are lists, `omit` items are gone.

    Raises what a missing value raises. A text that looks like a template by now is data.
    """
    kind = type(value)
    if kind in _SCALARS or kind is Unsafe:
        return value
    if isinstance(value, str):
        return _finish_text(value)
    if isinstance(value, jinja2.Undefined):
        return _finish_missing(value)
    if isinstance(value, dict):
        return {finish(key): finish(item) for key, item in value.items() if item is not OMIT}
    if isinstance(value, list | tuple | set | frozenset | GeneratorType):
        return [finish(item) for item in value if item is not OMIT]
    return _finish_other(value)


def _finish_missing(value: jinja2.Undefined) -> str:
    if isinstance(value, Missing):
        return str(value)
    raise jinja2.UndefinedError("an `if` without `else` gave nothing")


def _finish_text(value: str) -> str:
    if "{" in value and _MARKER.search(value):
        return Unsafe(value)
    return value if type(value) in (str, Text) else str(value)


def _finish_other(value: Any) -> Any:
    if isinstance(value, range):
        raise TypeError("a range is not a value; add `| list`")
    if callable(value):
        raise TypeError(f"a {type(value).__name__} is not a value; call it, or read an item with ['…']")
    if isinstance(value, Mapping):
        return {finish(key): finish(value[key]) for key in value}
    if isinstance(value, Iterator | KeysView | ValuesView | ItemsView):
        return [finish(item) for item in value]
    return value
