"""One command on a simulated host: a real process, with the channel's streams, exit status and signals."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncssh

SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")


class HostSession(asyncssh.SSHServerSession[bytes]):
    """Runs what an SSH channel asks for, as sshd does: through `/bin/sh -c`, without a terminal.

    As with sshd, a client that goes away closes the streams and kills nothing.
    """

    def __init__(self, env: Mapping[str, str]):
        self._env = dict(env)
        self._argv: list[str] = []
        self._early: list[bytes] = []
        self._ended = False
        self._process: asyncio.SubprocessTransport | None = None
        self._chan: asyncssh.SSHServerChannel[bytes]

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def shell_requested(self) -> bool:
        self._argv = ["/bin/sh"]
        return True

    def exec_requested(self, command: str) -> bool:
        self._argv = ["/bin/sh", "-c", command]
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        self._argv = [path for path in SFTP_SERVERS if Path(path).exists()][:1]
        return subsystem == "sftp" and bool(self._argv)

    def session_started(self) -> None:
        asyncio.get_running_loop().create_task(self._spawn())

    async def _spawn(self) -> None:
        sent = {k: v for k, v in self._chan.get_environment().items() if k == "LANG" or k.startswith("LC_")}
        loop = asyncio.get_running_loop()
        process, _ = await loop.subprocess_exec(
            lambda: _Streams(self._chan),
            *self._argv,
            env={**self._env, **sent},
            cwd=self._env["HOME"],
            start_new_session=True,
        )
        self._process = process
        for data in self._early:
            self._write(data)
        if self._ended:
            self._close_stdin()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if self._process is None:
            self._early.append(data)
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        stdin = self._pipe(0)
        if stdin is not None and not stdin.is_closing():
            stdin.write(data)

    def eof_received(self) -> bool:
        self._ended = True
        self._close_stdin()
        return True

    def _close_stdin(self) -> None:
        stdin = self._pipe(0)
        if stdin is not None:
            stdin.close()

    def signal_received(self, name: str) -> None:
        if self._process is not None and self._process.get_returncode() is None:
            os.killpg(self._process.get_pid(), signal.Signals[f"SIG{name}"])

    def pause_writing(self) -> None:
        for pipe in (self._pipe(1), self._pipe(2)):
            if pipe is not None and not pipe.is_closing():
                pipe.pause_reading()

    def resume_writing(self) -> None:
        for pipe in (self._pipe(1), self._pipe(2)):
            if pipe is not None and not pipe.is_closing():
                pipe.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._process is None:
            return
        for number in (0, 1, 2):
            pipe = self._pipe(number)
            if pipe is not None:
                pipe.close()

    def _pipe(self, number: int) -> Any:
        return None if self._process is None else self._process.get_pipe_transport(number)


class _Streams(asyncio.SubprocessProtocol):
    """Carries a process's output into its channel, and its end when both streams have ended too."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes]):
        self._chan = chan
        self._process: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._process = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if self._chan.is_closing():
            return
        self._chan.write(data, asyncssh.EXTENDED_DATA_STDERR if fd == 2 else None)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._process is not None
        code = self._process.get_returncode()
        if self._chan.is_closing() or code is None:
            return
        if code < 0:
            self._chan.exit_with_signal(signal.Signals(-code).name[3:])
        else:
            self._chan.exit(code)
