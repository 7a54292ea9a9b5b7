"""Events and results as plain JSON values, with secrets masked."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from qcluster.events import Event
from qcluster.secret import Secret

T = TypeVar("T")
MASK = "***"


_ALREADY = frozenset({str, int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """`value` in JSON's types: dataclasses become mappings, secrets `***`, bytes text, everything else its text."""
    if type(value) in _ALREADY:
        return value
    if type(value) is dict:  # before the abstract classes, which take ten times as long to ask
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def event_record(event: Event) -> dict[str, Any]:
    """One line of `-o ndjson` and of the journal: the event's name and its fields."""
    return {"event": type(event).__name__, **plain(event)}


def event_line(event: Event) -> str:
    """An `event_record` as JSON. The encoder itself walks through what is JSON already: five times as fast."""
    try:
        return _ENCODER.encode({"event": type(event).__name__, **vars(event)})
    except TypeError:  # a key that JSON has no form for
        return json.dumps(event_record(event), ensure_ascii=False)


def _one_level(value: Any) -> Any:
    """What the encoder does not know, made of what it may know."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return plain(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=_one_level)


class Mask:
    """Replaces secrets in every text of a value and keeps its shape; any thread may tell more of them at any time.

    What holds none is returned as it is. Texts under 4 characters are no secrets: they would blot out everything.
    """

    def __init__(self, secrets: Iterable[str] = ()):
        self._known: frozenset[str] = frozenset()
        self._found: re.Pattern[str] | None = None
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        told = {part for secret in secrets for part in (secret, secret.strip()) if len(part) >= 4}
        if told <= self._known:
            return
        self._known |= told
        self._found = re.compile("|".join(map(re.escape, sorted(self._known, key=len, reverse=True))))

    def __call__(self, value: Any) -> Any:
        found = self._found
        return value if found is None else _masked(value, found)


def _masked(value: Any, found: re.Pattern[str]) -> Any:
    if isinstance(value, enum.Enum) or type(value) in (int, float, bool):
        return value
    if isinstance(value, str):
        return found.sub(MASK, value) if found.search(value) else value
    if isinstance(value, Mapping):
        pairs = [(key, item, _masked(key, found), _masked(item, found)) for key, item in value.items()]
        changed = any(key is not new_key or item is not new for key, item, new_key, new in pairs)
        return {new_key: new for _, _, new_key, new in pairs} if changed else value
    if isinstance(value, list | tuple):
        items = [_masked(item, found) for item in value]
        changed = any(item is not new for item, new in zip(value, items, strict=True))
        return type(value)(items) if changed else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _masked_fields(value, found)
    return value


def _masked_fields(value: Any, found: re.Pattern[str]) -> Any:
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    masked = {name: _masked(item, found) for name, item in fields.items()}
    changed = {name: item for name, item in masked.items() if item is not fields[name]}
    return dataclasses.replace(value, **changed) if changed else value
