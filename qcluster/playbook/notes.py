"""Mistakes in playbooks, collected so that all are told at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from qcluster import schema
from qcluster.errors import InputError, Problem
from qcluster.playbook.model import Where


class Notes:
    """What is wrong so far. `raise_any` ends the loading where something is."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def key(self, mapping: Any, key: Any, path: str, what: str, hint: str = "") -> None:
        """A mistake at a key of a mapping (or an index of a list)."""
        spot = schema.key_place(mapping, key) if isinstance(mapping, dict) else schema.item_place(mapping, key)
        self.problems.append(Problem(spot.file, spot.line, path, what, hint))

    def value(self, value: Any, path: str, what: str, hint: str = "") -> None:
        """A mistake of a whole mapping, list or text."""
        spot = schema.place(value)
        self.problems.append(Problem(spot.file, spot.line, path, what, hint))

    def extend(self, problems: Iterable[Problem], where: Where | None = None) -> None:
        """Problems found elsewhere; those without a place get `where`."""
        for problem in problems:
            lost = where is not None and not problem.file
            self.problems.append(replace(problem, file=where.file, line=where.line) if lost and where else problem)

    def raise_any(self) -> None:
        if self.problems:
            raise InputError(sorted(set(self.problems)))


def where(value: Any) -> Where:
    """The place of a located value."""
    return Where(*schema.place(value))
