"""Where a simulated tool runs: which host of which lab, what is broken there, and how fast time passes."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

SIMULATION = "simulation of qcluster's lab"


def root() -> str:
    """The host's own directory. Tools in a container made for tests have none and see the machine as it is."""
    return os.environ.get("QCLUSTER_LAB_ROOT", "")


def lab() -> str:
    return root().rpartition("/hosts/")[0]


def host() -> str:
    return root().rpartition("/")[2] or os.uname().nodename


def read(path: str, default: str = "") -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except (FileNotFoundError, NotADirectoryError):
        return default


def write(path: str, text: str) -> None:
    """Whole or not at all."""
    folder, _, name = path.rpartition("/")
    beside = f"{folder}/.{name}.{os.getpid()}"
    with open(beside, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(beside, path)


def fault(name: str, *keys: str) -> str | None:
    """The argument of a fault set for one of `keys` (default: this host), maybe `""`; None when it is not set."""
    if not root():
        return None
    for key in keys or (host(),):
        path = f"{lab()}/faults/{name}/{key}"
        if os.path.exists(path):
            return read(path)
    return None


def pace() -> float:
    """How long a simulated engine takes to start, in seconds."""
    return float(os.environ.get("QCLUSTER_LAB_PACE") or read(f"{lab()}/pace") or 2.0)


def machine() -> dict[str, str]:
    """The host's own words: hardware, software, address, index, npus."""
    lines = read(f"{root()}/lab/host").splitlines() if root() else []
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def address() -> str:
    """What `0.0.0.0` means on this host: its own loopback address."""
    return machine().get("address", "0.0.0.0")


def connect(place: tuple[str, int], timeout: float | None = None) -> socket.socket:
    """A TCP connection, unless a fault has put a firewall between this host and the other. Raises OSError."""
    other = read(f"{lab()}/addresses/{place[0]}") if root() else ""
    ports = fault("firewall", f"{host()}:{other}") if other and other != host() else None
    if ports is not None and (not ports or str(place[1]) in ports.split()):
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    import socket  # late: most tools never need it

    return socket.create_connection(place, timeout)


def marked(mark: str) -> Iterator[int]:
    """The processes whose environment has `mark` (`NAME=value`)."""
    wanted = mark.encode()
    for name in os.listdir("/proc"):
        if name.isdigit() and wanted in environ(int(name)):
            yield int(name)


def environ(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether `pid` runs; a zombie does not."""
    return pid > 0 and read(f"/proc/{pid}/stat").rpartition(") ")[2][:1] not in ("", "Z", "X")


def began(pid: int) -> str:
    """When `pid` was started, in ticks since the machine was: with it a number that is given again is not the same."""
    words = read(f"/proc/{pid}/stat").rpartition(") ")[2].split()
    return words[19] if len(words) > 19 else ""


def kill(pids: Iterator[int] | list[int], number: int = signal.SIGKILL) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
