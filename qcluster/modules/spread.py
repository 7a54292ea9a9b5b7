"""Who fetches what every host needs, and who gets it from whom: a chain, so that every host sends it once. Pure.

One host fetches it (from the hub, a registry, a file), the next one gets it from there, and so on; hosts that share the
folder wait for one of them. Source: issue 6, Weights and Image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HAVE, FETCH, WAIT, STREAM, LATER = "have", "fetch", "wait", "stream", "later"


@dataclass(frozen=True)
class Seen:
    """One host as it was found. `able`: it can fetch at once, with a tool of its own. `server`: it can serve now.

    `disk` is equal on hosts that share the folder."""

    whole: bool
    disk: str
    able: bool = True
    server: bool = True


@dataclass(frozen=True)
class Route:
    """How a host gets it: have, fetch, wait (for `source`, which shares the folder), stream (from `source`), or later.

    `later` is a stream whose source cannot serve yet, because the image that holds a server is still on its way."""

    how: str
    source: str = ""


def routes(seen: Mapping[str, Seen], spread: str = "stream", origin: str = "") -> dict[str, Route]:
    """A route for every host. `spread` is stream or each; `origin` names the host that everybody gets it from."""
    order = chain(seen, origin)
    leaders = {seen[host].disk: host for host in order}
    found = {}
    for host, one in seen.items():
        leader = leaders[one.disk]
        if one.whole:
            found[host] = Route(HAVE)
        elif leader != host:
            found[host] = Route(WAIT, leader)
        elif host == order[0] or spread == "each":
            found[host] = Route(FETCH)
        else:
            found[host] = _stream(order[order.index(host) - 1], seen)
    return found


def _stream(source: str, seen: Mapping[str, Seen]) -> Route:
    return Route(STREAM if seen[source].server else LATER, source)


def chain(seen: Mapping[str, Seen], origin: str = "") -> list[str]:
    """One host of every folder, in the order in which it travels; the first one has it already or can get it best.

    Whoever fetched it stays the first, so that a run that was interrupted goes on along the same chain."""
    first = min(seen, key=lambda host: (host != origin, not seen[host].whole, not seen[host].able))
    known: dict[str, str] = {}
    for host in (first, *seen):
        known.setdefault(seen[host].disk, host)
    return list(known.values())


def hops(order: Sequence[str], found: Mapping[str, Route]) -> list[tuple[str, str]]:
    """(from, to) for everything that travels now."""
    return [(found[host].source, host) for host in order if found[host].how == STREAM]
