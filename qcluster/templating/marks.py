"""What is a template, what is data, what is left out; and which values need no rendering at all."""

from __future__ import annotations

import re
from typing import Any

from qcluster.schema import Unsafe
from qcluster.secret import Secret
from qcluster.templating.errors import Missing

MARKER = re.compile(r"\{[{%#]")
HEADER = "#jinja2:"
SCALARS = (int, float, bool, type(None))


class _Omit:
    """The value of `omit`: the argument that gets it is treated as not given."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<<Omit>>"

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
    return MARKER.search(text) is not None or text.startswith(HEADER)


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
    """True where rendering would change nothing: no template, no secret, no `omit` anywhere inside.

    The answer for a large container is remembered by identity (a plan is looked at thousands of times), so values
    that templates read must not be changed in place.
    """
    if isinstance(value, dict | list):
        return _remembered.answer(value)
    return _weight(value) >= 0


def is_known_plain(value: Any) -> bool:
    """True where `value` itself was found plain before; cheap."""
    return _remembered.knows(value)


def _weight(value: Any) -> int:
    """How many values a plain value holds, -1 for one that is not plain."""
    kind = type(value)
    if kind in SCALARS:
        return 1
    if isinstance(value, str):
        return -1 if is_template(value) else 1
    if isinstance(value, dict):
        return _sum(value.values()) if _sum(value) >= 0 else -1
    if isinstance(value, list):
        return _sum(value)
    return -1 if isinstance(value, tuple | Secret | _Omit | Missing) else 1


def _sum(values: Any) -> int:
    total = 1
    for value in values:
        if type(value) is str and "{" not in value and value[:8] != HEADER:
            total += 1  # as `_weight` would say; results are mostly such texts
            continue
        weight = _weight(value)
        if weight < 0:
            return -1
        total += weight
    return total


class _Remembered:
    """Answers by identity. A container is held for as long as its answer is, so no other can take its id."""

    HEAVY, ROOM = 64, 4096

    def __init__(self) -> None:
        self._answers: dict[int, tuple[Any, bool]] = {}

    def knows(self, value: Any) -> bool:
        kept = self._answers.get(id(value))
        return kept is not None and kept[0] is value and kept[1]

    def answer(self, value: Any) -> bool:
        kept = self._answers.get(id(value))
        if kept is not None and kept[0] is value:
            return kept[1]
        weight = _weight(value)
        if weight < 0 or weight >= self.HEAVY:
            self._keep(value, weight >= 0)
        return weight >= 0

    def _keep(self, value: Any, plain: bool) -> None:
        if len(self._answers) >= self.ROOM:
            self._answers.clear()
        self._answers[id(value)] = (value, plain)


_remembered = _Remembered()
