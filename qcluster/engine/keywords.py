"""Keywords that may be templates, as values: a play's before any host is touched, a task's when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qcluster.errors import InputError, TaskFailed
from qcluster.modules.convert import boolean
from qcluster.playbook.model import Play
from qcluster.templating import Templar, TemplateError


def settled(play: Play, extra: Mapping[str, Any]) -> Play:
    """The play with its own keywords rendered from its variables and `-e`. Raises InputError."""
    templar = Templar({**play.vars, **extra})
    rendered = {name: _render(play, templar, name) for name in _CHECKS}
    return replace(play, **{name: _checked(play, name, value) for name, value in rendered.items()})


def _render(play: Play, templar: Templar, name: str) -> Any:
    try:
        return templar.render(getattr(play, name))
    except TemplateError as error:
        raise InputError(f"{play.where}: {name}: {error.what}") from error


def _checked(play: Play, name: str, value: Any) -> Any:
    what, convert = _CHECKS[name]
    try:
        return convert(value)
    except (TypeError, ValueError):
        raise InputError(f"{play.where}: {name}: {value!r} is not {what}") from None


def _sizes(value: Any) -> tuple[Any, ...]:
    sizes = [size for one in value for size in (one if isinstance(one, list) else [one])]
    for size in sizes:
        float(str(size).removesuffix("%"))
    return tuple(sizes)


_CHECKS: Mapping[str, Any] = {
    "serial": ("a number or a percentage", _sizes),
    "max_fail_percentage": ("a number", lambda value: None if value is None else float(value)),
    "gather_facts": ("true or false", boolean),
    "force_handlers": ("true or false", boolean),
}


def number(value: Any, word: str) -> float:
    """A rendered keyword of a task. Raises TaskFailed where it is no number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TaskFailed(f"{word}: {value!r} is not a number") from None
