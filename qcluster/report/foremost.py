"""Of many rows those to look at first; the rest is folded away, since nobody reads a thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
MANY = 32
"""Rows that a page shows whole."""
FIRST = 16
"""Rows that it shows of more."""


@dataclass(frozen=True)
class Split(Generic[T]):
    """`first` and `rest` are both in the order of the whole."""

    first: list[T]
    rest: list[T]


def foremost(rows: Iterable[T], weight: Callable[[T], Any]) -> Split[T]:
    """All of few rows; of many the `FIRST` that weigh most."""
    whole = list(rows)
    if len(whole) <= MANY:
        return Split(whole, [])
    heaviest = sorted(range(len(whole)), key=lambda place: weight(whole[place]), reverse=True)[:FIRST]
    chosen = set(heaviest)
    return Split(
        [row for place, row in enumerate(whole) if place in chosen],
        [row for place, row in enumerate(whole) if place not in chosen],
    )
