"""The controller itself as a host (`ansible_connection: local`)."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from typing import IO

from qcluster.command import Command, Put
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput
from qcluster.transport.script import local_line, put_command, read_command, reading, signal_name, signal_of

_CHUNK = 65536


class LocalTransport:
    """Runs commands through `/bin/sh` on this machine, with the same quoting as over SSH."""

    def __init__(self, host: str):
        self._host = host

    @property
    def host(self) -> str:
        return self._host

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        started = time.monotonic()
        process = subprocess.Popen(
            ["/bin/sh", "-c", local_line(command)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        taken: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        readers = [
            threading.Thread(target=_drain, args=(name, pipe, taken[name], on_output), daemon=True)
            for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        for reader in readers:
            reader.start()
        _feed(process, command.stdin)
        code = process.wait()
        for reader in readers:
            reader.join()
        return Outcome(
            command,
            max(code, -1),
            b"".join(taken["stdout"]),
            b"".join(taken["stderr"]),
            signal_name(-code) if code < 0 else signal_of(command, code),
            time.monotonic() - started,
        )

    def put(self, put: Put) -> Outcome:
        return self.run(put_command(put))

    def get(self, path: str, become: bool = False) -> bytes:
        return reading(path, self.run(read_command(path, None)))

    def open_tcp(self, address: str, port: int, timeout: float) -> socket.socket:
        return socket.create_connection((address, port), timeout)

    def close(self) -> None:
        return None


def _drain(name: str, pipe: IO[bytes] | None, taken: list[bytes], on_output: OnOutput | None) -> None:
    assert pipe is not None
    with pipe:
        while chunk := pipe.read1(_CHUNK):  # type: ignore[attr-defined]
            taken.append(chunk)
            if on_output:
                on_output(name, chunk)


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        process.stdin.close()
    except BrokenPipeError:
        return
