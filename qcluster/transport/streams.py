"""Both output streams of one channel, read by the thread that waits for them. No polling, no extra threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import paramiko

_CHUNK = 1 << 20

STDOUT, STDERR = "stdout", "stderr"


class _Poke:
    """What Paramiko's buffers call when bytes arrive. It never clears: both buffers share one event."""

    def __init__(self, event: threading.Event):
        self.set = event.set

    def clear(self) -> None:
        return None


class Streams:
    """Reads stdout and stderr of a channel as their bytes arrive, so that neither can block the other."""

    def __init__(self, channel: paramiko.Channel):
        self.channel = channel
        self._arrived = threading.Event()
        channel.arrived = self._arrived  # type: ignore[attr-defined]
        poke = _Poke(self._arrived)
        channel.in_buffer.set_event(poke)  # type: ignore[arg-type]
        channel.in_stderr_buffer.set_event(poke)  # type: ignore[arg-type]

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until something arrived or the channel ended; False when `timeout` (seconds) passed first."""
        woken = self._arrived.wait(timeout)
        self._arrived.clear()
        return woken

    def arrived(self) -> Iterator[tuple[str, bytes]]:
        """Everything that is here now."""
        channel = self.channel
        while channel.recv_ready() and (chunk := channel.recv(_CHUNK)):
            yield STDOUT, chunk
        while channel.recv_stderr_ready() and (chunk := channel.recv_stderr(_CHUNK)):
            yield STDERR, chunk

    @property
    def ended(self) -> bool:
        """The host sends nothing more on either stream."""
        return bool(self.channel.eof_received or self.channel.closed)

    @property
    def exited(self) -> bool:
        """The command is over, even if a process that it left behind keeps the streams open."""
        return self.ended or self.channel.exit_status_ready()
