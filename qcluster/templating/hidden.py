"""Secrets on their way through a template: opened where they are used, closed again in what comes out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qcluster.secret import Secret


def sealed(result: Any, revealed: Iterable[str]) -> Any:
    """`result` with every text that holds a revealed secret made a Secret again."""
    if isinstance(result, str):
        return Secret(result) if any(secret and secret in result for secret in revealed) else result
    if isinstance(result, dict):
        return {key: sealed(item, revealed) for key, item in result.items()}
    if isinstance(result, list):
        return [sealed(item, revealed) for item in result]
    return result


def opened(values: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """`values` with the secrets among them as texts, and these texts."""
    revealed = [value.reveal() for value in values if isinstance(value, Secret)]
    return [value.reveal() if isinstance(value, Secret) else value for value in values], revealed
