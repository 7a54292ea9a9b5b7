"""pause: wait for a time, or for somebody to press enter. Once for all hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from qcluster.events import OperatorAnswered, OperatorAsked
from qcluster.modules import terminal
from qcluster.modules.base import Call, Option, Reach, Report, Spec


@dataclass(frozen=True)
class Pause:
    """Ansible's `pause`; the engine runs it once, for the first host, and the others wait."""

    once: bool = True
    supports_check: bool = True
    ask: Callable[[str, bool, Callable[[], bool]], str] = terminal.ask
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
            typed = self._typed(call, reach)
        else:
            _wait(reach, seconds)
        took = reach.clock() - start
        return Report(
            values={**_said(call.args, took), "start": str(begun), "stop": str(self.now()), "user_input": typed}
        )

    def _typed(self, call: Call, reach: Reach) -> str:
        """The answer; from the question to it nothing else is written to the terminal."""
        question = call.args["prompt"] or "Press enter to continue, Ctrl+C to interrupt"
        reach.emit(OperatorAsked(reach.clock(), question))
        try:
            return self.ask(f"{question}: ", call.args["echo"], reach.cancelled)
        finally:
            reach.emit(OperatorAnswered(reach.clock()))


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
