"""What each host came to, in Ansible's counters: the last lines of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qcluster.events import HostTally
from qcluster.inventory import folding

COUNTERS = tuple(HostTally.__dataclass_fields__)
FEW = 3
"""Lines less than hosts from which on they are told in ranges."""


def recap(tallies: Mapping[str, HostTally]) -> Iterator[tuple[str, str, str]]:
    """Hosts, their counters in Ansible's order and words as narrow as they can be, and the kind for a colour."""
    rows = {hosts: [f"{name}={getattr(tally, name)}" for name in COUNTERS] for hosts, tally in tallies.items()}
    widths = [max(map(len, column)) for column in zip(*rows.values(), strict=True)]
    width = max(map(len, tallies), default=0)
    for hosts, row in rows.items():
        tally = tallies[hosts]
        kind = "failed" if lost(tally) else "changed" if tally.changed else "ok"
        text = " ".join(f"{cell:<{room}}" for cell, room in zip(row, widths, strict=True)).rstrip()
        yield f"{hosts:<{width}}", text, kind


def lost(tally: HostTally) -> bool:
    return bool(tally.failed or tally.unreachable)


def shared(tallies: Mapping[str, HostTally]) -> dict[str, HostTally]:
    """Many hosts that came to the same, as ranges, and what they came to. Who failed stands alone."""
    alike: dict[tuple[HostTally, str], list[str]] = {}
    for host, tally in tallies.items():
        alike.setdefault((tally, host if lost(tally) else ""), []).append(host)
    if len(alike) + FEW > len(tallies):
        return dict(tallies)
    return {folding.told(hosts): tally for (tally, _), hosts in alike.items()}
