"""How hosts are asked, side by side, and how a long check says where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from qcluster.command import Command
from qcluster.errors import Interrupted, UnreachableError
from qcluster.events import Emit, Progress
from qcluster.result import Outcome
from qcluster.spelling import counted
from qcluster.transport.base import OnOutput, Transport

NAMED = 4
"""Late hosts that are told by name; the others are counted."""
AT_ONCE = 64
"""Hosts that are asked at the same time."""


@dataclass(frozen=True)
class Dialogue:
    """How hosts are asked: their transports, the run's clock (seconds), where events go.

    After each `silence` seconds without an answer it is told who has not given one.
    """

    fleet: Mapping[str, Transport]
    clock: Callable[[], float]
    emit: Emit
    cancelled: Callable[[], bool] = lambda: False
    unreached: dict[str, str] = field(default_factory=dict)
    silence: float = 10.0

    def ask(
        self, questions: Mapping[str, Command], on_output: OnOutput | None = None, always: bool = False
    ) -> dict[str, Outcome]:
        """All hosts side by side; one that cannot be reached has no answer and is remembered in `unreached`.

        Raises Interrupted once the run is cancelled, unless `always` (what tidies up has to be asked).
        """
        if self.cancelled() and not always:
            raise Interrupted("interrupted: the network check is not complete")
        left = {host: command for host, command in questions.items() if host not in self.unreached}
        if not left:
            return {}
        with ThreadPoolExecutor(min(AT_ONCE, len(left))) as pool:
            asked = {host: pool.submit(self.fleet[host].run, command, on_output) for host, command in left.items()}
            if on_output is None:  # else what comes in tells by itself that they work
                self._tell_silent(asked)
            return {host: answer for host, future in asked.items() if (answer := self._answer(host, future))}

    def _tell_silent(self, asked: Mapping[str, Future[Outcome]]) -> None:
        """Until all have answered or are lost: a tool that hangs must not look like a check that does."""
        began = self.clock()
        while wait(asked.values(), self.silence).not_done:
            late = [host for host, future in asked.items() if not future.done()]
            if late:
                more = f" and {counted(len(late) - NAMED, 'other')}" if len(late) > NAMED else ""
                waited = f"{self.clock() - began:.0f} s"
                self.note(f"no answer from {', '.join(late[:NAMED])}{more} for {waited}: a tool there is slow or hangs")

    def _answer(self, host: str, future: Future[Outcome]) -> Outcome | None:
        try:
            return future.result()
        except UnreachableError as error:
            self.unreached[host] = error.what
            return None

    def hold(self, host: str, command: Command, on_output: OnOutput) -> None:
        """One command on one host, to its end; what it says is read as it comes."""
        try:
            self.fleet[host].run(command, on_output)
        except UnreachableError as error:
            self.unreached[host] = error.what

    def note(self, text: str, kind: str = "note", done: float = 0, total: float = 0) -> None:
        unit = "probes" if total else ""
        self.emit(Progress(self.clock(), "", "network", kind, text, done, total, unit))
