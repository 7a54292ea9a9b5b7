"""What a matrix of failed probes means: the fewest and narrowest culprits that explain all of them. Pure.

A suspect (an NPU as a source, as a target, a host, a pair of hosts, a plane …) is possible only while nothing that it
covers works. Of the possible ones, the one that explains most failures is taken, the narrowest of equals; then what is
left is explained the same way. Probes inside a host may take other wires than those between hosts: their failures
count, their passes excuse nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from qcluster.network.findings import Npu
from qcluster.network.matrix import STRONG, Ends, Matrix, State

KINDS = (
    "npu-pair", "npu-source", "npu-target", "npu-dead", "host-pair", "host-pair-both", "host-out", "host-in", "host",
    "plane-index", "plane",
)  # fmt: skip
"""Narrowest first."""


class Suspect(NamedTuple):
    """Something that may be broken; `what` are the NPUs, hosts or indices that it names."""

    kind: str
    what: tuple[Any, ...]

    @property
    def width(self) -> int:
        return KINDS.index(self.kind)

    def covers(self, ends: Ends) -> bool:
        return self in suspects(ends)


@dataclass(frozen=True)
class Culprit:
    """A suspect with its evidence: the pairs that it explains, and how many were tried in its reach."""

    suspect: Suspect
    failed: tuple[Ends, ...]
    tried: int
    lossy: bool = False

    @property
    def kind(self) -> str:
        return self.suspect.kind


def suspects(ends: Ends) -> Iterator[Suspect]:
    """Everything that could be to blame when this pair fails."""
    source, target = ends
    yield Suspect("npu-pair", (source, target))
    yield Suspect("npu-source", (source,))
    yield Suspect("npu-target", (target,))
    yield Suspect("npu-dead", (source,))
    yield Suspect("npu-dead", (target,))
    if not ends.inside:
        yield Suspect("host-pair", (source.host, target.host))
        yield Suspect("host-pair-both", tuple(sorted((source.host, target.host))))
        yield Suspect("host-out", (source.host,))
        yield Suspect("host-in", (target.host,))
    for host in {source.host, target.host}:
        yield Suspect("host", (host,))
    for index in {source.npu, target.npu}:
        yield Suspect("plane-index", (index,))
    yield Suspect("plane", ())


def culprits(cells: Matrix, explained: Callable[[Ends], bool] = lambda ends: False) -> tuple[Culprit, ...]:
    """Every culprit, the weightiest first. `explained` pairs have a known cause already and are left out."""
    lossy = _lossy(cells, explained)
    dropped = {ends for culprit in lossy for ends in culprit.failed}
    failing = [e for e, cell in cells.items() if cell.state is State.FAIL and e not in dropped and not explained(e)]
    working = [e for e, cell in cells.items() if cell.state in (State.PASS, State.LOSS) and not e.inside]
    cleared = {suspect for ends in working for suspect in suspects(ends)}
    hard = _explain(failing, lambda suspect, count: 0 if suspect in cleared else count)
    reach = _reach(cells, [suspect for suspect, _ in hard])
    return (*(Culprit(suspect, tuple(ends), reach[suspect]) for suspect, ends in hard), *lossy)


def _explain(failing: Sequence[Ends], weigh: Callable[[Suspect, int], int]) -> list[tuple[Suspect, list[Ends]]]:
    """Take the weightiest suspect, the narrowest of equals, until nothing is left to explain."""
    left, found = list(failing), []
    while left:
        counts = Counter(suspect for ends in left for suspect in set(suspects(ends)))
        best = max(counts, key=lambda suspect: (weigh(suspect, counts[suspect]), -suspect.width, _order(suspect)))
        mine = [ends for ends in left if best.covers(ends)]
        found.append((best, mine))
        left = [ends for ends in left if not best.covers(ends)]
    return found


def _order(suspect: Suspect) -> str:
    """Makes ties come out the same every time."""
    return repr(suspect.what)


def _reach(cells: Matrix, found: Collection[Suspect]) -> Mapping[Suspect, int]:
    """How many pairs each suspect covers."""
    return Counter(suspect for ends in cells for suspect in set(suspects(ends)) if suspect in found)


_LOSSY_KINDS = ("npu-pair", "npu-source", "npu-target", "host-pair", "host-in", "host-out", "host", "plane")


def _lossy(cells: Matrix, explained: Callable[[Ends], bool]) -> tuple[Culprit, ...]:
    """Who drops packets. Loss is chance, so a strong pass speaks against a suspect but does not clear it."""
    lossy = [ends for ends, cell in cells.items() if cell.state is State.LOSS and not explained(ends)]
    strong = Counter(
        suspect for ends, cell in cells.items() if cell.strong and not ends.inside for suspect in suspects(ends)
    )

    def weigh(suspect: Suspect, count: int) -> int:
        return count - 2 * strong[suspect] if suspect.kind in _LOSSY_KINDS else -len(cells)

    found = _explain(lossy, weigh)
    reach = _reach(cells, [suspect for suspect, _ in found])
    return tuple(
        Culprit(suspect, (*ends, *_single_losses(cells, suspect)), reach[suspect], lossy=True)
        for suspect, ends in found
    )


def _single_losses(cells: Matrix, suspect: Suspect) -> Iterator[Ends]:
    """Pairs of one lost packet in the reach of a lossy culprit: the same fault, not another one."""
    for ends, cell in cells.items():
        if cell.state is State.FAIL and cell.sent < STRONG and suspect.covers(ends):
            yield ends


def silent(cells: Matrix) -> frozenset[Npu]:
    """NPUs at an end of a pair between hosts that did not pass."""
    return frozenset(npu for ends, cell in cells.items() if cell.state is not State.PASS for npu in ends)
