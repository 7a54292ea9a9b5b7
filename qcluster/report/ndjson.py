"""`-o ndjson`: one JSON object a line, as things happen (schema: docs/schemas/events.json)."""

from __future__ import annotations

from typing import IO

from qcluster.events import Event
from qcluster.report.serialise import event_line


class NdjsonReporter:
    def __init__(self, stream: IO[str]):
        self._stream = stream

    def __call__(self, event: Event) -> None:
        self._stream.write(event_line(event) + "\n")
        self._stream.flush()
