"""Jinja in a playbook, compiled before the run: what is wrong in it is told with file and line.

What is compiled here is what the run uses, so nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qcluster.playbook import language
from qcluster.playbook.notes import Notes
from qcluster.templating import is_template
from qcluster.templating.compiled import expression_template, value_template
from qcluster.templating.errors import explain

_NESTED = frozenset({"block", "rescue", "always", "pre_tasks", "tasks", "post_tasks", "handlers", "roles"})
_CONDITIONS = frozenset(word.name for word in language.KEYWORDS if word.kind == "conditions")


def check(notes: Notes, entry: Mapping[str, Any]) -> None:
    """Every template and every condition of one task, block or play (not of the tasks inside it)."""
    for name, value in entry.items():
        if name not in _NESTED:
            for what in _mistakes(name, value):
                notes.key(entry, name, str(name), what)


def _mistakes(name: str, value: Any) -> Iterator[str]:
    if name in _CONDITIONS:
        for condition in value if isinstance(value, list) else [value]:
            yield from _expression(condition)
    elif name == "loop_control" and isinstance(value, Mapping):
        yield from _mistakes("until", value.get("break_when", True))
    else:
        yield from texts(value)


def texts(value: Any) -> Iterator[str]:
    """What is wrong in the templates inside a value."""
    if isinstance(value, str):
        yield from _compiled(value_template, value) if is_template(value) else ()
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from texts(list(pair))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from texts(one)


def _expression(condition: Any) -> Iterator[str]:
    if isinstance(condition, str) and condition.strip():
        yield from texts(condition) if is_template(condition) else _compiled(expression_template, condition.strip())


def _compiled(compile_: Any, text: str) -> Iterator[str]:
    try:
        compile_(text)
    except Exception as error:
        yield explain(error, text).what
