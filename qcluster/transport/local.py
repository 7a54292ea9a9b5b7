"""The controller itself as a host (`ansible_connection: local`)."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import threading
import time
from contextlib import suppress
from typing import IO

from qcluster.command import Become, Command, Put
from qcluster.errors import BecomeFailed
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput
from qcluster.transport.script import LINGER, local_line, put_command, read_command, reading, signal_name, signal_of

_CHUNK = 1 << 16


class LocalTransport:
    """Runs commands through `/bin/sh` on this machine, with the same quoting as over SSH."""

    def __init__(self, host: str, become: Become | None = None):
        self._host, self._become = host, become

    @property
    def host(self) -> str:
        return self._host

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        started = time.monotonic()
        if command.become and command.become.password:
            raise BecomeFailed(self._host, "a become password is not supported on the controller itself")
        process = subprocess.Popen(
            ["/bin/sh", "-c", local_line(command)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, bufsize=0,
        )  # fmt: skip
        taken = _Dialogue(process, command.stdin, on_output).hold()
        code = process.wait()
        signal = signal_name(-code) if code < 0 else signal_of(command, code)
        elapsed = time.monotonic() - started
        return Outcome(command, max(code, -1), bytes(taken["stdout"]), bytes(taken["stderr"]), signal, elapsed)

    def put(self, put: Put) -> Outcome:
        return self.run(put_command(put))

    def get(self, path: str, become: bool = False) -> bytes:
        return reading(path, self.run(read_command(path, (self._become or Become()) if become else None)))

    def open_tcp(self, address: str, port: int, timeout: float) -> socket.socket:
        return socket.create_connection((address, port), timeout)

    def close(self) -> None:
        return None


class _Dialogue:
    """Feeds stdin and takes both streams, until they end or the command does and what it left behind is silent."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, on_output: OnOutput | None):
        assert process.stdin and process.stdout and process.stderr
        self._process, self._left, self._tell = process, memoryview(stdin), on_output
        self._taken = {"stdout": bytearray(), "stderr": bytearray()}
        self._selector = selectors.DefaultSelector()
        self._selector.register(process.stdout, selectors.EVENT_READ, "stdout")
        self._selector.register(process.stderr, selectors.EVENT_READ, "stderr")
        os.set_blocking(process.stdin.fileno(), False)
        self._selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")
        self._over, over = os.pipe()
        self._selector.register(self._over, selectors.EVENT_READ, "over")
        threading.Thread(target=_tell_end, args=(process, over), daemon=True).start()

    def hold(self) -> dict[str, bytearray]:
        over = False
        while self._open() and (events := self._selector.select(LINGER if over else None)):
            over = self._step([(key.data, key.fileobj) for key, _ in events]) or over
        self._close()
        return self._taken

    def _open(self) -> bool:
        return any(key.data in self._taken for key in self._selector.get_map().values())

    def _step(self, events: list[tuple[str, object]]) -> bool:
        """Handle what is ready; true once the command is over."""
        for name, pipe in events:
            if name == "stdin":
                self._feed(pipe)  # type: ignore[arg-type]
            elif name in self._taken:
                self._take(name, pipe)  # type: ignore[arg-type]
        over = any(name == "over" for name, _ in events)
        if over:
            self._selector.unregister(self._over)
        return over

    def _feed(self, pipe: IO[bytes]) -> None:
        try:
            self._left = self._left[os.write(pipe.fileno(), self._left[:_CHUNK]) :] if self._left else self._left
        except BrokenPipeError:
            self._left = self._left[:0]
        if not self._left:
            self._selector.unregister(pipe)
            pipe.close()

    def _take(self, name: str, pipe: IO[bytes]) -> None:
        chunk = os.read(pipe.fileno(), _CHUNK)
        if not chunk:
            self._selector.unregister(pipe)
            return
        self._taken[name] += chunk
        if self._tell:
            self._tell(name, chunk)

    def _close(self) -> None:
        self._selector.close()
        os.close(self._over)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe
            with suppress(OSError):
                pipe.close()


def _tell_end(process: subprocess.Popen[bytes], over: int) -> None:
    process.wait()
    os.close(over)
