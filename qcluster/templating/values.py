"""Values on their way through templates: containers that are rendered item by item, and the finished result."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from types import GeneratorType
from typing import Any

import jinja2

from qcluster.schema import Text, Unsafe
from qcluster.templating.errors import Missing
from qcluster.templating.marks import MARKER, OMIT, SCALARS, is_known_plain

Reader = Callable[[Any], Any]


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
    if kind in SCALARS or kind is Unsafe:
        return value
    if isinstance(value, str):
        return _finish_text(value)
    if isinstance(value, jinja2.Undefined):
        return _finish_missing(value)
    if is_known_plain(value):
        return value
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
    if "{" in value and MARKER.search(value):
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
