"""A plain socket whose other end is a TCP stream opened by the host."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress

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
    threading.Thread(target=_carry, args=(theirs, channel), daemon=True).start()
    return ours


def _carry(sock: socket.socket, channel: paramiko.Channel) -> None:
    """Until our side is closed: a half-closed stream still answers."""
    down = threading.Thread(target=_down, args=(channel, sock), daemon=True)
    down.start()
    with suppress(OSError):
        while data := sock.recv(_CHUNK):
            channel.sendall(data)
        channel.shutdown_write()
        _await_hangup(sock)
    channel.close()
    down.join()
    sock.close()


def _await_hangup(sock: socket.socket) -> None:
    poller = select.poll()
    poller.register(sock, 0)  # 0: only POLLHUP and POLLERR, which are always told
    poller.poll()


def _down(channel: paramiko.Channel, sock: socket.socket) -> None:
    with suppress(OSError):
        while data := channel.recv(_CHUNK):
            sock.sendall(data)
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
