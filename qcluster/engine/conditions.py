"""Conditions: all must hold; the first that does not is told."""

from __future__ import annotations

from typing import Any

from qcluster.playbook.model import Conditions
from qcluster.templating import Templar


def first_false(conditions: Conditions, templar: Templar) -> Any:
    """The first condition that does not hold; None where all do. Raises TemplateError for what is not a boolean."""
    return next((condition for condition in conditions if not templar.condition(condition)), None)


def all_hold(conditions: Conditions, templar: Templar) -> bool:
    return all(map(templar.condition, conditions))
