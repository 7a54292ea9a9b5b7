"""A journal read back: the events of an earlier run, so that any report can be made again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qcluster import events
from qcluster.errors import InputError
from qcluster.events import Event, HostTally
from qcluster.result import Diff, Status, TaskResult


def events_of(folder: Path) -> Iterator[Event]:
    """The events of the run journalled in `folder`. A line cut short by a kill ends the story."""
    for line in (folder / "events.ndjson").read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            return
        yield event_of(record)


def event_of(record: Mapping[str, Any]) -> Event:
    """The inverse of `event_record`. Raises InputError where another version of this program wrote it."""
    try:
        fields = {key: _field(key, value) for key, value in record.items() if key != "event"}
        kind: type[Event] = getattr(events, record["event"])
        return kind(**fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"a journal of another version of qcluster: {error}") from error


def _field(key: str, value: Any) -> Any:
    read = _READERS.get(key)
    return read(value) if read else value


def _result(value: Mapping[str, Any]) -> TaskResult:
    diffs = tuple(Diff(**diff) for diff in value["diffs"])
    return TaskResult(**{**value, "status": Status(value["status"]), "diffs": diffs})


def _recap(value: Mapping[str, Any]) -> dict[str, HostTally]:
    return {host: HostTally(**tally) for host, tally in value.items()}


_READERS: Mapping[str, Callable[[Any], Any]] = {"result": _result, "recap": _recap, "hosts": tuple}
