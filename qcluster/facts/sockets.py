"""Open TCP connections of a host, from the kernel's own table: no tool is needed."""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.result import Outcome

SCRIPT = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; echo end"
_STATES = {
    "01": "ESTABLISHED", "02": "SYN_SENT", "03": "SYN_RECV", "04": "FIN_WAIT1", "05": "FIN_WAIT2", "06": "TIME_WAIT",
    "07": "CLOSE", "08": "CLOSE_WAIT", "09": "LAST_ACK", "0A": "LISTEN", "0B": "CLOSING",
}  # fmt: skip


@dataclass(frozen=True)
class Connection:
    """`port` is the host's own; `peer` the other side's address."""

    port: int
    peer: str
    state: str


def connections() -> Fact[tuple[Connection, ...]]:
    return Fact(sh(SCRIPT), read)


def read(outcome: Outcome) -> tuple[Connection, ...]:
    """Source: the kernel's proc_net_tcp."""
    text = outcome.out.splitlines()
    if text[-1:] != ["end"]:
        raise UnreadableOutput("the table of connections was cut off", outcome.err or outcome.out)
    rows = (line.split() for line in text[:-1] if line.split()[:1] != ["sl"])
    return tuple(
        Connection(int(row[1].split(":")[1], 16), _address(row[2]), _STATES.get(row[3], row[3])) for row in rows
    )


def _address(text: str) -> str:
    """The kernel writes each 32-bit word in the machine's byte order."""
    words = text.split(":")[0]
    data = b"".join(struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8))
    if len(data) == 4:
        return socket.inet_ntoa(data)
    address = ipaddress.IPv6Address(data)
    return str(address.ipv4_mapped or address)
