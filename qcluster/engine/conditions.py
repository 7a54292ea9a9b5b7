"""Conditions: expressions that must give true or false, nothing else."""

from __future__ import annotations

from typing import Any

from qcluster.playbook.model import Conditions
from qcluster.templating import Templar, TemplateError


def first_false(conditions: Conditions, templar: Templar) -> Any:
    """The first condition that does not hold; None where all do. Raises TemplateError for what is not a boolean."""
    for condition in conditions:
        if not holds(condition, templar):
            return condition
    return None


def all_hold(conditions: Conditions, templar: Templar) -> bool:
    return all(holds(condition, templar) for condition in conditions)


def holds(condition: Any, templar: Templar) -> bool:
    """Whether one condition is true."""
    if isinstance(condition, bool):
        return condition
    value = _value(condition, templar)
    if isinstance(value, bool):
        return value
    raise TemplateError(
        f"Conditional result ({bool(value)}) was derived from value of type '{type(value).__name__}'. "
        "Conditionals must have a boolean result.",
        condition,
    )


def _value(condition: Any, templar: Templar) -> Any:
    text = condition if isinstance(condition, str) else str(condition)
    if not text.strip():
        return True
    return templar.render(text) if templar.is_template(text) else templar.evaluate(text)
