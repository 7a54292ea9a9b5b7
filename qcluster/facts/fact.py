"""A question to a host: the command and what its answer means, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from qcluster.command import Command
from qcluster.result import Outcome

T = TypeVar("T")


@dataclass(frozen=True)
class Fact(Generic[T]):
    """`parse(outcome_of(command))` gives a frozen value or raises `UnreadableOutput` with the output."""

    command: Command
    parse: Callable[[Outcome], T]


def ask(run: Callable[[Command], Outcome], fact: Fact[T]) -> T:
    """Ask one host."""
    return fact.parse(run(fact.command))
