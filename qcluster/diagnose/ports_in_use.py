"""Planned ports that somebody else holds: one sentence a holder and purpose, not one a port. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from qcluster.serving.ports import MOVED_BY, spans_of


def in_use(
    uses: Iterable[Mapping[str, Any]],
    address: str,
    taken: Collection[tuple[str, int]],
    holders: Iterable[tuple[str, int, str]],
) -> Iterator[tuple[str, str]]:
    """What is in use and what to do, from the plan's `uses` of a host with `address`.

    `taken` are its listeners (address, port); `holders` say whose they are, as far as is known.
    """
    known = {(place, port): who for place, port, who in holders}
    found: dict[tuple[str, str], list[int]] = {}
    for use in uses:
        for port in range(use["first"], use["first"] + use["count"]):
            if met := [one for one in ((address, port), ("0.0.0.0", port), ("::", port)) if one in taken]:
                holder = next((known[one] for one in met if one in known), "")
                found.setdefault((use["purpose"], holder), []).append(port)
    for (purpose, holder), ports in found.items():
        yield _sentence(purpose, holder, ports), _remedy(purpose, holder, ports[0])


def _sentence(purpose: str, holder: str, ports: Sequence[int]) -> str:
    text = spans_of(ports)
    subject = f"ports {text} ({purpose}) are" if len(ports) > 1 else f"port {text} ({purpose}) is"
    return f"{subject} in use{f' by {holder}' if holder else ''}"


def _remedy(purpose: str, holder: str, port: int) -> str:
    pid = holder.rpartition(" ")[2].rstrip(")")
    end = f"end it (kill {pid})" if holder else f"see whose (as root: ss -ltnp 'sport = :{port}') and end it"
    return f"{end}, or move `{MOVED_BY[purpose]}`" if purpose in MOVED_BY else end
