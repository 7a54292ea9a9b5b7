"""A plain socket whose other end is a TCP stream opened by the host."""

from __future__ import annotations

import socket
import threading
import time

import paramiko
from paramiko.ssh_exception import ChannelException, SSHException

from qcluster.transport.wire import Wire

_CHUNK = 1 << 16


def bridge(wire: Wire, address: str, port: int, timeout: float) -> socket.socket:
    """Open `address:port` from the host. The result is a real socket (one end of a pair), usable by http.client."""
    try:
        channel = wire.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout)
    except ChannelException as error:
        raise ConnectionRefusedError(f"{address}:{port} from the host: {error.text}") from error
    except (SSHException, EOFError) as error:
        kind = TimeoutError if "imeout" in str(error) else ConnectionError
        raise kind(f"{address}:{port} from the host: {error}") from error
    ours, theirs = socket.socketpair()
    ours.settimeout(timeout)
    threading.Thread(target=_up, args=(theirs, channel), daemon=True).start()
    threading.Thread(target=_down, args=(channel, theirs), daemon=True).start()
    return ours


def _up(sock: socket.socket, channel: paramiko.Channel) -> None:
    try:
        while data := sock.recv(_CHUNK):
            channel.sendall(data)
        _half_close(channel)
    except (OSError, EOFError):
        channel.close()


def _half_close(channel: paramiko.Channel) -> None:
    """End our direction. Where the other side ends as well, `close` sends EOF and CLOSE in one.

    paramiko answers the other side's CLOSE in a thread of its own; an EOF of ours that is sent after that answer makes
    the server drop the whole connection, with everything on it. So EOF alone goes only to a stream that stays open.
    """
    for _ in range(25):
        if channel.closed or channel.eof_received:
            channel.close()
            return
        time.sleep(0.01)
    channel.shutdown_write()


def _down(channel: paramiko.Channel, sock: socket.socket) -> None:
    try:
        while data := channel.recv(_CHUNK):
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    finally:
        channel.close()
        sock.close()
