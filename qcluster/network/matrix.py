"""The evidence matrix: what came of the probes, NPU by NPU. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from qcluster.facts.hccn import Trouble
from qcluster.facts.pings import Ping
from qcluster.network.findings import Npu
from qcluster.network.schedule import Probe

STRONG = 3
"""Packets that a pass needs before it speaks against packet loss."""


class State(StrEnum):
    """What a pair of NPUs is: `loss` is a path that works and drops packets."""

    PASS = "pass"
    LOSS = "loss"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Ends(NamedTuple):
    """A directed pair of NPUs."""

    source: Npu
    target: Npu

    @property
    def inside(self) -> bool:
        """Both on one host."""
        return self.source.host == self.target.host


@dataclass(frozen=True)
class Result:
    """One probe and its answer; `seen` is verbatim."""

    probe: Probe
    answer: Ping | Trouble
    seen: str = ""


@dataclass(frozen=True)
class Cell:
    """All answers of one pair, summed up. Times in µs."""

    sent: int = 0
    received: int = 0
    tries: int = 0
    unread: int = 0
    tp95: float | None = None
    planes: tuple[int, ...] = ()
    trouble: str = ""
    seen: str = ""

    @property
    def state(self) -> State:
        if not self.sent:
            return State.UNKNOWN
        if self.received == self.sent:
            return State.PASS
        return State.LOSS if self.received else State.FAIL

    @property
    def strong(self) -> bool:
        return self.sent >= STRONG and self.state is State.PASS


Matrix = Mapping[Ends, Cell]


def matrix(results: Iterable[Result]) -> Matrix:
    """One cell for each pair that was probed. Side probes are no part of it."""
    cells: dict[Ends, Cell] = {}
    for result in (result for result in results if not result.probe.roce):
        ends = Ends(result.probe.source, result.probe.target)
        cells[ends] = _add(cells.get(ends, Cell()), result)
    return cells


def _add(cell: Cell, result: Result) -> Cell:
    answer, tries = result.answer, cell.tries + 1
    if isinstance(answer, Trouble):
        return replace(cell, tries=tries, unread=cell.unread + 1, trouble=answer.cause, seen=cell.seen or result.seen)
    slowest = max((time for time in (cell.tp95, answer.tp95) if time is not None), default=None)
    return replace(
        cell,
        tries=tries,
        sent=cell.sent + answer.sent,
        received=cell.received + answer.received,
        tp95=slowest,
        planes=(*cell.planes, *answer.planes),
        seen=cell.seen if cell.seen and answer.passed else result.seen,
    )
