"""The other plane: does TCP get from host to host on every port of the plan?

Three commands a host: hold listeners up, connect to all peers, take the listeners down. Listeners end by themselves
too, with the connection that asked for them at the latest (`listeners.py`), so that nothing stays. A port that
somebody already listens on is tested all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcluster.command import Command
from qcluster.facts.frames import Patience, framed, read_frames
from qcluster.network.findings import Finding, finding, listed
from qcluster.network.host_plane_scripts import CONNECT, CONNECTOR, LISTEN, LISTENER, UNLISTEN
from qcluster.network.topology import Endpoint, Topology
from qcluster.result import Outcome
from qcluster.serving.ports import spans_of
from qcluster.spelling import counted

LISTEN_SECONDS = 60
CONNECT_SECONDS = 2


@dataclass(frozen=True)
class Listening:
    """What a host listens on now: `ports` maps each to `ok`, `in-use` or an error. `handle` ends it."""

    host: str
    ports: Mapping[int, str]
    handle: str
    complete: bool


@dataclass(frozen=True)
class Knock:
    """One connection that was tried: `word` is ok, refused, unreachable, timeout or an error."""

    source: str
    target: str
    port: int
    word: str


@dataclass(frozen=True)
class Knocks:
    """All of one host's tries. `how` tells the tool; `none` when the host has none."""

    host: str
    knocks: tuple[Knock, ...]
    how: str
    complete: bool


def patience(whole: float) -> Patience:
    return Patience(question=10, retries=(), whole=whole)


def listen(host: Endpoint) -> Command:
    """Hold all of the host's ports until `unlisten`, or until nobody reads what this command says any more."""
    ports = [str(port) for port in sorted(host.ports)]
    words = (host.address, str(LISTEN_SECONDS), host.image, LISTENER, *ports)
    return framed(LISTEN, *words, patience=patience(LISTEN_SECONDS + 30))


def read_listening(host: str, said: bytes) -> Listening:
    """What `listen` said so far; whole once its handle is known."""
    frames = read_frames(said)
    told, handle = frames.get("listen/ports"), frames.get("listen/handle")
    found = re.findall(r"^(\d+) (.+)$", told.text if told else "", re.MULTILINE)
    ports = {int(port): word for port, word in found}
    whole = handle is not None and bool(told and re.search(r"^ready", told.text, re.MULTILINE))
    return Listening(host, ports, handle.text if handle else "none", whole)


def unlisten(listening: Listening) -> Command:
    return framed(UNLISTEN, *listening.handle.split(), patience=patience(30))


def connect(host: Endpoint, topology: Topology, listening: Mapping[str, Listening]) -> Command:
    """Try every port of every peer that this host will talk to."""
    peers = [topology.hosts[target] for source, target in topology.talks if source == host.name]
    ready = [peer for peer in peers if peer.name in listening and listening[peer.name].complete]
    todo = [" ".join([peer.name, peer.address, *map(str, sorted(peer.ports))]) for peer in ready if peer.ports]
    mine = listening.get(host.name)
    open_here = next((port for port, word in mine.ports.items() if word == "ok"), None) if mine else None
    own = f"{host.address} {open_here}" if open_here else ""
    whole = 30 + sum(len(peer.ports) for peer in ready) * CONNECT_SECONDS / 20
    words = (str(CONNECT_SECONDS), own, host.image, CONNECTOR, ",".join(todo))
    return framed(CONNECT, *words, patience=patience(whole))


def read_knocks(host: str, outcome: Outcome) -> Knocks:
    frames = read_frames(outcome.stdout)
    said, how = frames.get("connect/ports"), frames.get("connect/how")
    found = re.findall(r"^(\S+) (\d+) (.+)$", said.text if said else "", re.MULTILINE)
    knocks = tuple(Knock(host, target, int(port), word) for target, port, word in found)
    return Knocks(host, knocks, how.text if how else "none", frames.complete)


@dataclass(frozen=True)
class HostPlane:
    """What came of the whole check. `firewalls` are what the first survey saw on each host."""

    topology: Topology
    listening: Mapping[str, Listening]
    knocks: Mapping[str, Knocks]
    firewalls: Mapping[str, str]


def judge(plane: HostPlane) -> Iterator[Finding]:
    """Findings of the TCP check. Pure."""
    if plane.topology.talks:
        yield from _untested(plane)
        yield from _blocked(plane)


def _untested(plane: HostPlane) -> Iterator[Finding]:
    lacking = [
        h for h, one in plane.listening.items() if one.complete and one.handle == "none" and _has_ports(plane, h)
    ]
    lacking += [host for host, one in plane.knocks.items() if one.complete and one.how == "none"]
    if lacking:
        why = "neither python3 nor nc is there, nor the image"
        yield finding("tcp-untested", hosts=sorted(set(lacking)), seen="python3, nc: not found", why=why)
    for host in plane.topology.hosts:
        missing = _missing(plane, host)
        if missing:
            yield finding("tcp-cut", hosts=[host], seen=missing, why=missing)


def _has_ports(plane: HostPlane, host: str) -> bool:
    return bool(plane.topology.hosts[host].ports)


def _missing(plane: HostPlane, host: str) -> str:
    """Why the answers of a host are not whole, or `""`."""
    listening, knocks = plane.listening.get(host), plane.knocks.get(host)
    if listening and not listening.complete:
        return "its listeners did not come up"
    asked = {
        (target, port)
        for source, target in plane.topology.talks
        for port in plane.topology.hosts[target].ports
        if source == host and target in plane.listening and plane.listening[target].complete
    }
    if not knocks or knocks.how == "none":
        return "" if knocks or not asked else "it did not try to connect"
    got = {(knock.target, knock.port) for knock in knocks.knocks}
    return "" if knocks.complete and asked <= got else f"{len(asked - got)} of {len(asked)} connections have no answer"


def _blocked(plane: HostPlane) -> Iterator[Finding]:
    refused: dict[tuple[str, str, str], list[int]] = {}
    for knocks in plane.knocks.values():
        for knock in knocks.knocks:
            listener = plane.listening[knock.target].ports.get(knock.port, "")
            if knock.word != "ok" and listener in ("ok", "in-use"):
                refused.setdefault((knock.source, knock.target, knock.word), []).append(knock.port)
    for (source, target, word), ports in refused.items():
        yield _blocked_finding(plane, (source, target, word), ports)


def _blocked_finding(plane: HostPlane, what: tuple[str, str, str], ports: Sequence[int]) -> Finding:
    source, target, word = what
    purposes = listed(tuple(dict.fromkeys(plane.topology.hosts[target].ports[port] for port in ports)))
    wall = plane.firewalls.get(target, "")
    address = plane.topology.hosts[source].address
    told = {"refused": "connections are refused though somebody listens", "timeout": "packets are dropped"}.get(
        word, word
    )
    why = f"{told}; {wall} is active on {target}" if wall else f"{told}: a firewall in between"
    seen = "\n".join(f"{source} -> {plane.topology.hosts[target].address}:{port} {word}" for port in ports[:20])
    text = f"{counted(len(ports), 'port')} ({purposes}: {spans_of(ports)})"
    command = _remedy(wall, address)
    words: dict[str, Any] = {"source": source, "target": target, "ports": text, "why": why, "command": command}
    return finding("tcp-blocked", hosts=[source, target], seen=seen, **words)


def _remedy(wall: str, address: str) -> str:
    if wall == "firewalld":
        return f"firewall-cmd --permanent --zone=trusted --add-source={address} && firewall-cmd --reload"
    if wall == "iptables":
        return f"iptables -I INPUT -s {address} -j ACCEPT"
    return f"find what filters traffic from {address}: iptables -S; nft list ruleset; the switch's or cloud's ACLs"
