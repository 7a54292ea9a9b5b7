"""What a reader needs of a result besides its word: why it failed and what its command said, or what it was to show."""

from __future__ import annotations

import json
from typing import Any

from qcluster.report.serialise import plain
from qcluster.result import Status, TaskResult

TAIL = 20
"""Lines of each stream, from the end."""
ABOUT = ("changed", "failed", "skipped")
"""What every result says of itself."""


def evidence(result: TaskResult) -> list[str]:
    """Why a task failed: its message with the exit code, then the end of what its command wrote."""
    message = result.message.splitlines()
    if message and (code := result.values.get("rc")):
        message[0] += f" ({code})"
    streams = (str(result.values.get(name, "")).splitlines()[-TAIL:] for name in ("stderr", "stdout"))
    return message + [line for lines in streams for line in lines if line.strip() and line not in message]


def shown(result: TaskResult, debug: bool) -> list[str]:
    """The message of a task that went well; of `debug` also the variable that it was asked for."""
    if result.status is not Status.OK:
        return []
    if "msg" in result.values:
        return _text(result.values["msg"]).splitlines()
    asked = {name: value for name, value in result.values.items() if name not in ABOUT} if debug else {}
    return [line for name, value in asked.items() for line in f"{name}: {_text(value)}".splitlines()]


def _text(value: Any) -> str:
    simple = plain(value)
    return simple if isinstance(simple, str) else json.dumps(simple, ensure_ascii=False, indent=4)
