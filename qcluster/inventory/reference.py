"""This project's variables in words, from the table that checks them."""

from __future__ import annotations

from typing import Any

from qcluster.inventory.settings import SETTINGS

TYPES = {
    "text": "text",
    "int": "whole number",
    "bool": "true or false",
    "texts": "list of texts",
    "mapping": "mapping",
    "npus": "number or list of ids",
    "model": "text or mapping",
    "secret": "secret text",
}


def about(name: str) -> str:
    """One line on one variable: type or choices, default, where it may differ, meaning."""
    setting = SETTINGS[name]
    default = _written(setting.default)
    notes = [", ".join(setting.choices) or TYPES[setting.kind], *([f"default {default}"] if default else [])]
    return f"{name} ({'; '.join([*notes, setting.level])}): {setting.help}"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value in (None, "", (), {}) else str(value)
