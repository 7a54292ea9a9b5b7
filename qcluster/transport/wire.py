"""A Paramiko transport that wastes no time: no Nagle, no polling while idle, and the name of a killing signal."""

from __future__ import annotations

import contextlib
import socket

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST

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
    """One SSH connection. `sessions` counts the session channels that are open on it, within `room`."""

    _channel_handler_table = {  # noqa: RUF012
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        MSG_CHANNEL_REQUEST: _handle_request,
    }
    sessions = 0
    room = 8  # OpenSSH's default MaxSessions is 10

    def settle(self) -> None:
        """Once authenticated: stop waking up to look whether something happened."""
        self.sock.settimeout(IDLE_CHECK)

    def close(self) -> None:
        """Also wakes the reader thread, so that nobody waits for it."""
        with contextlib.suppress(OSError, EOFError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)
        super().close()


def exit_signal(channel: paramiko.Channel) -> str:
    return str(getattr(channel, "exit_signal", ""))
