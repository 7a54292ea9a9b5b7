"""The table of filters, tests and functions that templates may use."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import jinja2

from qcluster.templating.conditions import TESTS
from qcluster.templating.environment import Environment, sees_missing
from qcluster.templating.errors import Broken, Missing, TemplateError
from qcluster.templating.filters import FILTERS
from qcluster.templating.marks import OMIT


@sees_missing
def default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """`default_value` where `value` is missing (or, with `boolean`, false)."""
    if isinstance(value, jinja2.Undefined) and not isinstance(value, Broken):
        return default_value
    return default_value if boolean and not value else value


@sees_missing
def defined(value: Any) -> Any:
    """Whether `value` is there; one that cannot be rendered is neither."""
    return value if isinstance(value, Broken) else not isinstance(value, jinja2.Undefined)


@sees_missing
def undefined(value: Any) -> Any:
    """Whether `value` is missing."""
    return value if isinstance(value, Broken) else isinstance(value, jinja2.Undefined)


def now(utc: bool = False, fmt: str | None = None) -> Any:
    """The controller's time; a text with `fmt`."""
    moment = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) if utc else datetime.datetime.now()
    return moment.strftime(fmt) if fmt else moment


def undef(hint: str | None = None) -> Missing:
    """A value that counts as missing."""
    return Missing(hint=hint or "Mandatory variable has not been overridden")


def lookup(name: str = "", *_: Any, **__: Any) -> NoReturn:
    raise TemplateError(f"lookup plugins are not supported (lookup({name!r}))")


def _qualified(table: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    return {**table, **{f"ansible.builtin.{name}": function for name, function in table.items() if "." not in name}}


def install(environment: Environment) -> Environment:
    """`environment` with everything in it."""
    environment.globals.update(range=range, omit=OMIT, now=now, undef=undef, lookup=lookup, query=lookup, q=lookup)
    filters: dict[str, Any] = {**dict[str, Any](environment.filters), **FILTERS, "default": default, "d": default}
    environment.install(
        _qualified(filters),
        _qualified({**dict[str, Any](environment.tests), **TESTS, "defined": defined, "undefined": undefined}),
    )
    return environment
