"""Follow a remote command's output line by line, as progress events."""

from __future__ import annotations

from collections.abc import Callable

from qcluster.command import Command
from qcluster.events import Progress
from qcluster.facts.jobs import Job, begin
from qcluster.modules.base import Reach, Report
from qcluster.result import Outcome

OnLine = Callable[[str], None]


class Lines:
    """Cuts a stream of bytes into lines; a carriage return ends a line too (progress bars use it)."""

    def __init__(self, on_line: OnLine):
        self._on_line, self._rest = on_line, b""

    def __call__(self, stream: str, chunk: bytes) -> None:
        if stream != "stdout":
            return
        *whole, self._rest = (self._rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            if line.strip():
                self._on_line(line.decode("utf-8", "replace"))


def follow(reach: Reach, command: Command, on_line: OnLine) -> Outcome:
    return reach.transport.run(command, on_output=Lines(on_line))


def started(reach: Reach, job: Job) -> Report:
    """Begin a job and leave it to a later task to join it."""
    outcome = reach.transport.run(begin(job))
    if not outcome.ok:
        return Report(failed=f"the job could not be started in {job.directory}: {tail(outcome)}")
    return Report(values={"running": job.directory})


def progress(reach: Reach, subject: str, text: str, **numbers: object) -> None:
    """One `Progress` event of this host; `numbers` are its further fields."""
    kind = str(numbers.pop("kind", "note"))
    host = reach.transport.host
    reach.emit(Progress(reach.clock(), host, subject, kind, text, **numbers))  # type: ignore[arg-type]


def tail(outcome: Outcome, count: int = 5) -> str:
    """The last lines that a failed command printed."""
    lines = [line for line in (outcome.out + outcome.err).replace("\r", "\n").splitlines() if line.strip()]
    return "\n".join(lines[-count:])


def note(reach: Reach, subject: str, text: str, done: float = 0, total: float = 0) -> None:
    """A sentence about something that concerns the whole run, with numbers where they are known."""
    progress(reach, subject, text, kind="count" if total else "note", done=float(done), total=float(total))
