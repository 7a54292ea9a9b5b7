"""Findings of verify-network as values. What each one means, and its remedy, is data: `catalogue.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Any, NamedTuple

import yaml

from qcluster.serving.ports import spans_of

CAUSES = (
    "link-down", "npu-source", "npu-target", "host", "host-pair", "tls-mismatch", "hccn-conf-stale",
    "hccn-conf-missing", "address-missing", "vnic-missing", "superpod-mismatch", "duplicate-address", "packet-loss",
    "net-health", "npu-health", "tool-busy", "tool-missing", "permission", "tcp-blocked", "truncated", "unparsed",
    "timeout", "driver-mismatch", "hardware-mix", "clock-skew", "mtu", "nic",
)  # fmt: skip
"""Every likely cause that a finding may name (issue 4), and the NPU itself."""


class Verdict(StrEnum):
    """Worst first. An advisory alone leaves the run a pass; an unknown never does."""

    FAIL = "fail"
    UNKNOWN = "unknown"
    ADVISORY = "advisory"
    PASS = "pass"


class Npu(NamedTuple):
    """One NPU of one host, by its physical id."""

    host: str
    npu: int

    def __str__(self) -> str:
        return f"NPU {self.npu} of {self.host}"


@dataclass(frozen=True)
class Entry:
    """One row of the catalogue: `summary` and `remedy` are format strings over what the check fills in."""

    id: str
    cause: str
    verdict: Verdict
    summary: str
    remedy: str
    source: str


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or could not be seen. `seen` is verbatim; `remedy` is printed and never run."""

    id: str
    cause: str
    verdict: Verdict
    hosts: tuple[str, ...]
    npus: tuple[Npu, ...]
    summary: str
    seen: str
    remedy: str
    source: str


@cache
def catalogue() -> Mapping[str, Entry]:
    """Every finding there can be, by id, in the order in which a report explains them."""
    rows = yaml.safe_load(files("qcluster.network").joinpath("catalogue.yaml").read_text("utf-8"))
    return {id_: Entry(id=id_, **{**row, "verdict": Verdict(row["verdict"])}) for id_, row in rows.items()}


def finding(
    id_: str, npus: Iterable[Npu] = (), hosts: Iterable[str] = (), seen: str = "", verdict: Verdict | None = None,
    **words: Any,
) -> Finding:  # fmt: skip
    """A finding from its row. `{places} {hosts} {count} {first}` come from the places, the rest from `words`."""
    entry = catalogue()[id_]
    where = tuple(dict.fromkeys(npus))
    names = tuple(dict.fromkeys([*hosts, *(npu.host for npu in where)]))
    first = where[0].npu if where else 0
    known = {"places": places(where), "hosts": listed(names), "count": len(where), "first": first, "seen": seen}
    text = {**known, **words}
    summary, remedy = (" ".join(part.format_map(text).split()) for part in (entry.summary, entry.remedy))
    return Finding(id_, entry.cause, verdict or entry.verdict, names, where, summary, seen[:2000], remedy, entry.source)


def listed(words: Sequence[str], limit: int = 6) -> str:
    """`a, b and c`; a long list is cut with its count."""
    if len(words) > limit:
        return f"{', '.join(words[:limit])} and {len(words) - limit} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def places(npus: Sequence[Npu]) -> str:
    """`NPU 5 of node-2`, `NPUs 0-3 and 7 of node-1 and NPU 5 of node-2`."""
    parts = []
    for host, group in groupby(sorted(npus), key=lambda npu: npu.host):
        ids = [npu.npu for npu in group]
        parts.append(f"NPU{'s' if len(ids) > 1 else ''} {spans_of(ids)} of {host}")
    return listed(parts)


def ordered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Worst first; within a verdict in the catalogue's order, which puts causes before their consequences."""
    rank, order = list(Verdict), list(catalogue())
    return tuple(sorted(found, key=lambda item: (rank.index(item.verdict), order.index(item.id), item.hosts)))


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """What a run amounts to: fail, unknown or pass."""
    present = set(verdicts)
    return next((verdict for verdict in (Verdict.FAIL, Verdict.UNKNOWN) if verdict in present), Verdict.PASS)
