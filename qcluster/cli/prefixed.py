"""Output of many hosts at once: whole lines, each with its host in front, secrets masked."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TextIO


class Prefixed:
    """Lines of `stdout` and `stderr` of every host, as they come; never half a line of one within another's."""

    def __init__(self, hosts: Sequence[str], out: TextIO, err: TextIO, mask: Callable[[Any], Any] = str):
        self._width, self._mask = max(map(len, hosts), default=0), mask
        self._files = {"stdout": out, "stderr": err}
        self._rest: defaultdict[tuple[str, str], bytes] = defaultdict(bytes)
        self._lock = threading.Lock()

    def sink(self, host: str) -> Callable[[str, bytes], None]:
        """Takes what a host says while its command runs."""

        def take(stream: str, chunk: bytes) -> None:
            with self._lock:
                *lines, self._rest[host, stream] = (self._rest[host, stream] + chunk).split(b"\n")
                for line in lines:
                    self._print(host, stream, line)

        return take

    def finish(self, host: str, outcome: Any) -> None:
        """Print what is left without an end of line, and why a host failed."""
        with self._lock:
            for stream in self._files:
                rest = self._rest.pop((host, stream), b"")
                if rest:
                    self._print(host, stream, rest)
            reason = _reason(outcome)
            if reason:
                self._print(host, "stderr", reason.encode())

    def _print(self, host: str, stream: str, line: bytes) -> None:
        text = self._mask(line.decode("utf-8", "replace"))
        print(f"{host:<{self._width}} | {text}", file=self._files[stream], flush=True)


def _reason(outcome: Any) -> str:
    if isinstance(outcome, Exception):
        return f"unreachable: {outcome}"
    if outcome.timed_out:
        return f"timed out after {outcome.command.timeout:g} s"
    if outcome.signal:
        return f"killed by {outcome.signal}"
    return f"exit code {outcome.exit}" if outcome.exit else ""
