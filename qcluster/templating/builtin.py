"""The table of filters, tests and functions that templates may use."""

from __future__ import annotations

from typing import Any

from qcluster.templating.environment import Environment, sees_missing
from qcluster.templating.errors import Broken, Missing
from qcluster.templating.values import OMIT


@sees_missing
def default(value: Any, other: Any = "", boolean: bool = False) -> Any:
    """`other` where `value` is missing (or, with `boolean`, false)."""
    if isinstance(value, Missing) and not isinstance(value, Broken):
        return other
    return other if boolean and not value else value


def install(environment: Environment) -> Environment:
    """`environment` with everything in it."""
    environment.globals.update(range=range, omit=OMIT)
    environment.install({"default": default, "d": default}, {})
    return environment
