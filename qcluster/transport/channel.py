"""One command in a channel of its own."""

from __future__ import annotations

import select
import threading
import time

import paramiko

from qcluster.command import Command
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput
from qcluster.transport.script import shell_line
from qcluster.transport.wire import exit_signal

_CHUNK = 1 << 17


def run_in_channel(channel: paramiko.Channel, command: Command, on_output: OnOutput | None = None) -> Outcome:
    """Run to the end on a fresh session channel. Both streams are read at once, so neither can block the other."""
    started = time.monotonic()
    channel.exec_command(shell_line(command))
    feeder = _feed(channel, command.stdin)
    taken = _collect(channel, on_output)
    code = channel.recv_exit_status()
    if feeder:
        feeder.join()
    if code == -1 and not exit_signal(channel):
        raise EOFError("no exit status")
    elapsed = time.monotonic() - started
    return Outcome(command, code, taken["stdout"], taken["stderr"], exit_signal(channel), elapsed)


def _feed(channel: paramiko.Channel, data: bytes) -> threading.Thread | None:
    """Deliver stdin: at once when it fits the channel's window, else beside the reading of output."""
    if len(data) <= 1 << 16:
        _send(channel, data)
        return None
    feeder = threading.Thread(target=_send, args=(channel, data), daemon=True)
    feeder.start()
    return feeder


def _send(channel: paramiko.Channel, data: bytes) -> None:
    try:
        channel.sendall(data)
        channel.shutdown_write()
    except OSError:
        return  # the command ended without reading it all


def _collect(channel: paramiko.Channel, on_output: OnOutput | None) -> dict[str, bytes]:
    taken: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    poller = select.poll()
    poller.register(channel.fileno(), select.POLLIN)
    while not _drained(channel):
        poller.poll()
        for name, ready, read in (
            ("stdout", channel.recv_ready, channel.recv),
            ("stderr", channel.recv_stderr_ready, channel.recv_stderr),
        ):
            while ready() and (chunk := read(_CHUNK)):
                taken[name].append(chunk)
                if on_output:
                    on_output(name, chunk)
    return {name: b"".join(chunks) for name, chunks in taken.items()}


def _drained(channel: paramiko.Channel) -> bool:
    ended = channel.eof_received or channel.closed
    return bool(ended) and not channel.recv_ready() and not channel.recv_stderr_ready()
