"""`--api-key`: the key that engines and proxy ask for, on every command that talks to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from qcluster.secret import Secret

F = TypeVar("F", bound=Callable[..., Any])


def api_key_option(function: F) -> F:
    """Adds the option; the function gets `api_key`, an empty text where the inventory's own variable counts."""
    option = click.option(
        "--api-key",
        default="",
        envvar="QCLUSTER_API_KEY",
        metavar="KEY",
        help="Key of the service, instead of the inventory's api_key [$QCLUSTER_API_KEY].",
    )
    decorated: F = option(function)
    return decorated


def keyed(api_key: str) -> dict[str, object]:
    """The variable for a playbook; it prints as `***`."""
    return {"api_key": Secret(api_key)} if api_key else {}
