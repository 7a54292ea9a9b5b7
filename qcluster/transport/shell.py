"""A persistent sh on a host: one network round trip a command, login files and sshd's fork paid once.

The shell reads its script from the channel. Each command runs in a subshell with a stdin of its own; then the shell
prints a mark that no command can know: on stdout with the exit code, on stderr alone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from qcluster.command import Command
from qcluster.result import Outcome
from qcluster.transport.channel import patience
from qcluster.transport.script import QUIET, SHELL, mark_line, signal_of
from qcluster.transport.session import Session
from qcluster.transport.streams import STDERR, STDOUT
from qcluster.transport.wire import exit_signal, why_ended


class Shell:
    """Runs one command at a time. `fresh` is false once it must not be used again."""

    def __init__(self, session: Session, close: Callable[[], None]):
        self._session, self.close = session, close
        self._mark = f"qc-end-{secrets.token_hex(8)}-"
        self.fresh = True
        self.idle_since = time.monotonic()

    def start(self) -> None:
        self._session.start(SHELL)
        self._send(f"{QUIET}\n".encode())

    @property
    def alive(self) -> bool:
        """Nothing but silence came from it since its last command."""
        streams = self._session.streams
        channel = streams.channel
        return self.fresh and not streams.ended and not channel.recv_ready() and not channel.recv_stderr_ready()

    def run(self, command: Command, text: str) -> Outcome:
        """Raises EOFError when the connection was lost, `UnreachableError` when the shell never began."""
        started = time.monotonic()
        self._send((text + mark_line(self._mark)).encode())
        code = self._collect(patience(command))
        self.idle_since = time.monotonic()
        if not self._session.begun:
            raise self._session.never_began()
        out, err = (self._session.tapes[name].take() for name in (STDOUT, STDERR))
        if code is None:
            return self._died(command, out, err, self.idle_since - started)
        return Outcome(command, code, out, err, signal_of(command, code), self.idle_since - started)

    def _send(self, data: bytes) -> None:
        try:
            self._session.channel.sendall(data)
        except OSError as error:
            if self._session.begun or not self._session.streams.ended:
                raise EOFError(str(error)) from error

    def _collect(self, timeout: float | None) -> int | None:
        """Wait for both marks. Returns the exit code, or None where the shell ended instead."""
        streams, tapes = self._session.streams, self._session.tapes
        end = None if timeout is None else time.monotonic() + timeout
        out, err = _Mark(self._mark, tapes[STDOUT].data, b"."), _Mark(self._mark, tapes[STDERR].data, b"")
        while True:
            ended = streams.ended
            for name, chunk in streams.arrived():
                tapes[name].feed(chunk)
            if tapes[STDOUT].begun and out.found() and err.found():
                self.fresh = out.cut() and err.cut()
                return int(out.tail)
            if ended:
                return None
            if not streams.wait(end and end - time.monotonic()):
                raise EOFError("no answer after the command's deadline")

    def _died(self, command: Command, out: bytes, err: bytes, elapsed: float) -> Outcome:
        """The command took its own shell with it (`kill $PPID`), or the connection went."""
        self.fresh = False
        channel = self._session.channel
        if not channel.get_transport().is_active():
            raise EOFError(why_ended(channel))
        channel.status_event.wait(1)
        return Outcome(command, -1, out, err, exit_signal(channel) or "HUP", elapsed)


class _Mark:
    """Finds the end mark (and the code after it) in a growing buffer, looking at each byte once."""

    def __init__(self, mark: str, data: bytearray, stop: bytes):
        self._mark, self._data, self._stop = mark.encode(), data, stop
        self._from, self._at, self.tail = 0, -1, b""
        self._end = 0

    def found(self) -> bool:
        if self._at < 0:
            self._at = self._data.find(self._mark, max(0, self._from - len(self._mark)))
            self._from = len(self._data)
        if self._at < 0:
            return False
        after = self._at + len(self._mark)
        self._end = self._data.find(self._stop, after) if self._stop else after
        self.tail = bytes(self._data[after : self._end])
        return self._end >= 0

    def cut(self) -> bool:
        """Take the mark off; False where something came after it (a process left behind still talks)."""
        clean = self._end + len(self._stop) == len(self._data)
        del self._data[self._at :]
        return clean
