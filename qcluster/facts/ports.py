"""Which TCP ports a host listens on, and which ones its kernel hands out.

Read from /proc/net/tcp (proc(5)), so that no tool has to be installed; `serving/ports.py` says who needs which port.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.result import Outcome

LISTEN = "0A"
ANY = ("0.0.0.0", "::")

SCRIPT = """\
root=${QCLUSTER_LAB_ROOT-}
echo ==range
cat "$root/proc/sys/net/ipv4/ip_local_port_range" 2>/dev/null || cat /proc/sys/net/ipv4/ip_local_port_range
echo ==reserved; cat "$root/proc/sys/net/ipv4/ip_local_reserved_ports" 2>/dev/null
echo ==tcp; cat /proc/net/tcp /proc/net/tcp6 2>/dev/null
echo ==end
"""


@dataclass(frozen=True, order=True)
class Listener:
    """A listening socket: its address in text form, and its port."""

    address: str
    port: int


@dataclass(frozen=True)
class Ports:
    """`ephemeral` is the range (first, last) for outgoing connections; `reserved` is never handed out."""

    listeners: frozenset[Listener]
    ephemeral: tuple[int, int]
    reserved: tuple[tuple[int, int], ...]
    holders: Mapping[Listener, str] = field(default_factory=dict)
    """Whose a listener is, as `program (pid N)`: what `ss` tells this user, which may be nothing."""

    def busy(self, address: str, port: int) -> bool:
        """Whether binding `address:port` would fail."""
        return any(one.port == port and (one.address == address or one.address in ANY) for one in self.listeners)

    def exposed(self, first: int, count: int) -> bool:
        """Whether some port of the range may be handed out to an outgoing connection."""
        low, high = self.ephemeral
        wanted = range(max(first, low), min(first + count - 1, high) + 1)
        return any(not any(a <= port <= b for a, b in self.reserved) for port in wanted)


def ports() -> Fact[Ports]:
    return Fact(sh(SCRIPT, timeout=30), parse)


def parse(outcome: Outcome) -> Ports:
    sections = split(outcome.out)
    if "end" not in sections:
        raise UnreadableOutput("the list of ports is cut off", outcome.out + outcome.err)
    return read(sections)


def read(sections: Mapping[str, Sequence[str]]) -> Ports:
    """From the sections `range`, `reserved`, `tcp` and `holders` of an answer."""
    span = " ".join(sections.get("range", [])).split() or ["32768", "60999"]
    return Ports(
        frozenset(_listeners(sections.get("tcp", []))),
        (int(span[0]), int(span[-1])),
        ranges(" ".join(sections.get("reserved", []))),
        dict(_holders(sections.get("holders", []))),
    )


def split(text: str) -> dict[str, list[str]]:
    """`==name` lines start sections; the lines of each, without empty ones."""
    sections: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("=="):
            name = line[2:].strip()
            sections.setdefault(name, [])
        elif line.strip() and name:
            sections[name].append(line)
    return sections


def ranges(text: str) -> tuple[tuple[int, int], ...]:
    """`8000,60000-60031` as pairs of first and last."""
    words = [word.strip() for word in text.replace(" ", ",").split(",") if word.strip()]
    return tuple((int(word.split("-")[0]), int(word.split("-")[-1])) for word in words)


def _listeners(lines: Iterable[str]) -> Iterable[Listener]:
    for line in lines:
        words = line.split()
        if len(words) > 3 and words[3] == LISTEN and ":" in words[1]:
            address, port = words[1].split(":")
            yield Listener(_address(address), int(port, 16))


_HELD = re.compile(r"^LISTEN\s+\d+\s+\d+\s+(\S+):(\d+)\s.*users:\(\(\"([^\"]+)\",pid=(\d+)")
"""A line of `ss -Hltnp` (iproute2 6.1)."""


def _holders(lines: Iterable[str]) -> Iterator[tuple[Listener, str]]:
    for found in filter(None, map(_HELD.match, lines)):
        address = found[1].strip("[]").partition("%")[0]
        yield Listener({"*": "::"}.get(address, address), int(found[2])), f"{found[3]} (pid {found[4]})"


def _address(text: str) -> str:
    """The kernel prints each 32-bit word in the machine's order (little-endian on every host we know)."""
    raw = bytes.fromhex(text)
    swapped = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address = ipaddress.ip_address(swapped)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
