"""A host that exists only as a table: what it answers to which command. For tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping

from qcluster.command import Command, Put
from qcluster.errors import UnreachableError
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput

Answer = Outcome | str | int | UnreachableError | Callable[[Command], Outcome]
"""stdout of a success, an exit code, a whole outcome, an error to raise, or a function of the command."""


class ScriptedTransport:
    """Answers from `table`: the first key that equals the command's line, its `str()` or its script, or begins either.

    What ran is kept in `ran`, what was written in `files`. A command that no key fits raises `KeyError`, unless
    `default` answers it.
    """

    def __init__(self, host: str, table: Mapping[str, Answer] | None = None, *, default: Answer | None = None):
        self._host, self._table, self._default = host, dict(table or {}), default
        self._lock = threading.Lock()
        self.ran: list[Command] = []
        self.puts: list[Put] = []
        self.files: dict[str, bytes] = {}
        self.streams: dict[tuple[str, int], Callable[[], socket.socket]] = {}
        self.closed = False

    @property
    def host(self) -> str:
        return self._host

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        with self._lock:
            self.ran.append(command)
        outcome = _outcome(command, self._answer(command))
        if on_output:
            for stream, data in (("stdout", outcome.stdout), ("stderr", outcome.stderr)):
                if data:
                    on_output(stream, data)
        return outcome

    def _answer(self, command: Command) -> Answer:
        names = (command.line, str(command), command.stdin.decode("utf-8", "replace"))
        for test in (str.__eq__, str.startswith):
            for key, answer in self._table.items():
                if any(test(name, key) for name in names):
                    return answer
        if self._default is None:
            raise KeyError(f"{self._host}: no answer for {command.line!r}")
        return self._default

    def put(self, put: Put) -> Outcome:
        with self._lock:
            self.puts.append(put)
            self.files[put.path] = put.data
        return Outcome(Command(("put", put.path)), 0)

    def get(self, path: str, become: bool = False) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def open_tcp(self, address: str, port: int, timeout: float) -> socket.socket:
        opener = self.streams.get((address, port))
        if opener is None:
            raise ConnectionRefusedError(f"{address}:{port}")
        return opener()

    def close(self) -> None:
        self.closed = True


def _outcome(command: Command, answer: Answer) -> Outcome:
    if isinstance(answer, UnreachableError):
        raise answer
    if isinstance(answer, Outcome):
        return answer
    if isinstance(answer, str):
        return Outcome(command, 0, answer.encode())
    if isinstance(answer, int):
        return Outcome(command, answer)
    return answer(command)
