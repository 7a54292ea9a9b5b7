"""A Paramiko transport that wastes no time: no Nagle, no polling while idle, and the name of a killing signal.

And one that knows when its host is gone: TCP alone does not tell where a machine hangs but its kernel still answers.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Any

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST, cMSG_GLOBAL_REQUEST

from qcluster.transport.settings import Alive

IDLE_CHECK = 30.0
"""Seconds between wake-ups of an idle connection's reader (Paramiko's own 0.1 costs CPU at many hosts)."""


def _handle_request(channel: paramiko.Channel, message: paramiko.Message) -> None:
    """Paramiko drops `exit-signal` (RFC 4254 §6.10): keep its name. Wake whoever waits for the command's end."""
    if message.get_text() == "exit-signal":
        message.get_boolean()
        channel.exit_signal = message.get_text()  # type: ignore[attr-defined]
        channel.status_event.set()
    else:
        message.rewind()
        message.get_int()  # the channel's number, read before
        channel._handle_request(message)  # type: ignore[attr-defined]
    if arrived := getattr(channel, "arrived", None):
        arrived.set()


class Wire(paramiko.Transport):
    """One SSH connection. `sessions` counts the session channels that are open on it, within `room`.

    `unanswered` counts questions in a row that the host has not answered; its reader thread alone asks and counts.
    """

    _channel_handler_table = {  # noqa: RUF012
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        MSG_CHANNEL_REQUEST: _handle_request,
    }
    sessions = 0
    room = 8  # OpenSSH's default MaxSessions is 10
    unanswered = 0
    alive = Alive()

    def settle(self, alive: Alive) -> None:
        """Once authenticated: wake up no more to look whether something happened, but to ask a host that is silent."""
        self.alive = alive
        self.sock.settimeout(alive.interval if alive.asks else IDLE_CHECK)
        if (
            alive.asks
        ):  # half: the reader wakes up after a whole interval without a byte, and must not miss it by a hair
            self.packetizer.set_keepalive(alive.interval / 2, self._ask)

    def _ask(self) -> None:
        """Raises EOFError, which ends the connection, where too many questions are without an answer."""
        if self.unanswered >= self.alive.count:
            raise EOFError(f"no sign of life for {self.alive.interval * (self.alive.count + 1):g} s")
        self.unanswered += 1
        if _takes(self.sock):
            message = paramiko.Message()
            message.add_byte(cMSG_GLOBAL_REQUEST)
            message.add_string("keepalive@openssh.com")
            message.add_boolean(True)  # to be answered
            self._send_message(message)  # type: ignore[attr-defined]

    def _parse_request_success(self, message: paramiko.Message) -> None:
        self.unanswered = 0
        super()._parse_request_success(message)  # type: ignore[misc]

    def _parse_request_failure(self, message: paramiko.Message) -> None:
        """sshd refuses what it does not know: as good a sign of life as any."""
        self.unanswered = 0
        super()._parse_request_failure(message)  # type: ignore[misc]

    def close(self) -> None:
        """Also wakes the reader thread, so that nobody waits for it."""
        with contextlib.suppress(OSError, EOFError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)
        super().close()


def exit_signal(channel: paramiko.Channel) -> str:
    return str(getattr(channel, "exit_signal", ""))


def why_ended(channel: paramiko.Channel) -> str:
    """Why the channel's connection ended, as far as it is known."""
    return str(channel.get_transport().saved_exception or "")


def _takes(sock: Any) -> bool:
    """Whether something can be sent now: while a thread waits to send, the reader must not wait behind it."""
    if not isinstance(sock, socket.socket):
        return True
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    return bool(poller.poll(0))
