"""One command in a channel of its own: what streams, is large, or may leave a process behind."""

from __future__ import annotations

import threading
import time

import paramiko

from qcluster.command import KILL_GRACE, Command, render
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput
from qcluster.transport.script import LINGER, QUIET, apart, signal_of
from qcluster.transport.session import Session
from qcluster.transport.streams import STDERR, STDOUT
from qcluster.transport.wire import exit_signal, why_ended

LATE = 15
"""Seconds past a command's own deadline after which a silent host counts as lost."""


def run_in_channel(session: Session, command: Command, on_output: OnOutput | None = None) -> Outcome:
    """Run to the end. Raises EOFError when the connection was lost, `UnreachableError` when it never began."""
    started = time.monotonic()
    session.start(f"{QUIET}; {apart(render(command))}")
    feeder = _feed(session.channel, command.stdin)
    _collect(session, on_output, patience(command))
    code, signal = session.channel.recv_exit_status(), exit_signal(session.channel)
    if feeder:
        feeder.join()
    if code == -1 and not signal:
        raise EOFError(why_ended(session.channel) or "no exit status")
    if not session.begun:
        raise session.never_began()
    out, err = (session.tapes[name].take() for name in (STDOUT, STDERR))
    return Outcome(command, code, out, err, signal or signal_of(command, code), time.monotonic() - started)


def patience(command: Command) -> float | None:
    """How long to wait for a command's end (seconds); the host itself ends it before that."""
    return None if command.timeout is None else command.timeout + KILL_GRACE + LATE


def _feed(channel: paramiko.Channel, data: bytes) -> threading.Thread | None:
    """Deliver stdin: at once where it surely fits the channel's window, else beside the reading of output."""
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


def _collect(session: Session, on_output: OnOutput | None, timeout: float | None) -> None:
    streams, end = session.streams, None if timeout is None else time.monotonic() + timeout
    while True:
        ended, exited = streams.ended, streams.exited
        arrived = list(streams.arrived())
        for name, chunk in arrived:
            body = session.tapes[name].feed(chunk)
            if on_output and body:
                on_output(name, body)
        if ended:
            return
        woken = streams.wait(LINGER if exited else end and end - time.monotonic())
        if exited and not woken:
            return
        if not woken:
            raise EOFError("no answer after the command's deadline")
