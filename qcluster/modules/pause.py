"""pause: wait for a time, or for somebody to press enter. Once for all hosts."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from qcluster.modules.base import Call, Option, Reach, Report, Spec


def _ask(text: str, echo: bool) -> str:
    """What the operator types; nothing where there is nobody (Ansible goes on, too)."""
    if not sys.stdin.isatty():
        return ""
    if not echo:
        return getpass.getpass(text)
    return input(text)


@dataclass(frozen=True)
class Pause:
    """Ansible's `pause`; the engine runs it once and gives every host the result."""

    once: bool = True
    supports_check: bool = True
    ask: Callable[[str, bool], str] = _ask
    now: Callable[[], datetime] = datetime.now
    spec: Spec = field(
        default_factory=lambda: Spec(
            {
                "seconds": Option("int"),
                "minutes": Option("int"),
                "prompt": Option(),
                "echo": Option("bool", default=True, help="Show what is typed."),
            },
            mutually_exclusive=(("seconds", "minutes"),),
            help="Wait for a time, or for enter.",
        )
    )

    def run(self, call: Call, reach: Reach) -> Report:
        seconds = _seconds(call.args)
        begun, start = self.now(), reach.clock()
        typed = ""
        if seconds is None:
            typed = self.ask(
                f"{call.args['prompt'] or 'Press enter to continue, Ctrl+C to interrupt'}: ", call.args["echo"]
            )
        else:
            _wait(reach, seconds)
        took = reach.clock() - start
        return Report(
            values={**_said(call.args, took), "start": str(begun), "stop": str(self.now()), "user_input": typed}
        )


def _seconds(args: Any) -> int | None:
    if args["minutes"] is not None:
        return max(1, int(args["minutes"]) * 60)
    return None if args["seconds"] is None else max(1, int(args["seconds"]))


def _wait(reach: Reach, seconds: float) -> None:
    """In short steps, so that Ctrl-C is heard."""
    end = reach.clock() + seconds
    while (left := end - reach.clock()) > 0 and not reach.cancelled():
        reach.sleep(min(left, 0.5))


def _said(args: Any, took: float) -> dict[str, Any]:
    unit = "minutes" if args["seconds"] is None else "seconds"
    shown = round(took / 60, 2) if unit == "minutes" else round(took, 2)
    stdout = f"Paused for {shown} {unit}"
    return {
        "delta": int(took), "echo": args["echo"], "rc": 0, "stderr": "", "stderr_lines": [],
        "stdout": stdout, "stdout_lines": [stdout],
    }  # fmt: skip


pause = Pause()
