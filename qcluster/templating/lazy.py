"""Containers inside a template: an item is rendered when it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qcluster.templating.errors import Missing
from qcluster.templating.marks import is_known_plain
from qcluster.templating.values import finish

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

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[Any, Any]:
        self._all()
        return super().popitem()

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

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

    def __reversed__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self) - 1, -1, -1))

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


_METHODS = ("append", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort", "clear")
_OPERATORS = ("__mul__", "__rmul__", "__lt__", "__le__", "__gt__", "__ge__")
for _name in (*_METHODS, *_OPERATORS):
    setattr(LazyList, _name, _whole(_name))


class StrictDict(LazyDict):
    """A mapping as a filter gets it: reading a missing item fails."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        return _present(super().__getitem__(key))


class StrictList(LazyList):
    """A sequence as a filter gets it: reading a missing item fails."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        value = super().__getitem__(index)
        return value if isinstance(index, slice) else _present(value)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def _all(self) -> None:
        for index in range(len(self)):
            self[index]


def _present(value: Any) -> Any:
    return str(value) if isinstance(value, Missing) else strict(value)


def strict(value: Any) -> Any:
    """`value` for a filter: where something in it may be missing, reading that fails."""
    if isinstance(value, LazyDict | LazyList):
        return value if isinstance(value, StrictDict | StrictList) else _strict_copy(value)
    if isinstance(value, dict | list | tuple) and not is_known_plain(value):
        items = value.values() if isinstance(value, dict) else value
        if any(isinstance(item, Missing | LazyDict | LazyList) for item in items):
            return StrictDict(value, _as_is) if isinstance(value, dict) else StrictList(value, _as_is)
    return value


def _strict_copy(value: LazyDict | LazyList) -> StrictDict | StrictList:
    if isinstance(value, LazyDict):
        copied = StrictDict(dict(dict.items(value)), value._read)
        copied._seen = set(value._seen)
        return copied
    sequence = StrictList(list.__iter__(value), value._read)
    sequence._raw = set(value._raw)
    return sequence


def _as_is(value: Any) -> Any:
    return value
