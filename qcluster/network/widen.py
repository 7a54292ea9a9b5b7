"""After a failure: which further probes tell the culprit from its look-alikes. Pure but for `send`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice

from qcluster.network.culprits import Culprit, culprits
from qcluster.network.findings import Npu
from qcluster.network.matrix import STRONG, Ends, Matrix, Result, State, matrix
from qcluster.network.schedule import Probe

Lanes = Mapping[str, tuple[Probe, ...]]
"""Probes by the host that sends them, in order."""

ROUNDS = 3
"""Rounds of widening after the scheduled probes."""

AT_ONCE = 8
"""Culprits that are looked into in one round; more than this is not a detail but the whole network."""


def hunt(
    first: Lanes,
    send: Callable[[Lanes], list[Result]],
    npus: Mapping[str, Sequence[int]],
    explained: Callable[[Ends], bool] = lambda ends: False,
) -> list[Result]:
    """Send the scheduled probes, then look into what failed until nothing new can be asked. All results, in order."""
    results = send(first)
    done = {probe for lane in first.values() for probe in lane}
    for _ in range(ROUNDS):
        cells = matrix(results)
        more = widen(cells, culprits(cells, explained), npus, done)
        if not more:
            break
        results += send(more)
        done |= {probe for lane in more.values() for probe in lane}
    return results


def widen(cells: Matrix, found: Sequence[Culprit], npus: Mapping[str, Sequence[int]], done: Collection[Probe]) -> Lanes:
    """The next round's probes by host: around two failed pairs of each culprit. Empty when nothing is left to ask."""
    asked: dict[Probe, None] = {}
    for culprit in found[:AT_ONCE]:
        around = _Around(cells, npus)
        for ends in _apart(culprit.failed):
            asked.update(dict.fromkeys(around.probes(ends, STRONG if culprit.lossy else 1)))
    rounds: dict[str, list[Probe]] = {}
    for probe in asked:
        if probe not in done:
            rounds.setdefault(probe.source.host, []).append(probe)
    return {host: tuple(probes) for host, probes in rounds.items()}


def _apart(failed: Sequence[Ends]) -> tuple[Ends, ...]:
    """Two failed pairs that share as little as possible."""
    first = failed[0]
    strangers = (ends for ends in failed if not {ends.source, ends.target} & {first.source, first.target})
    return (first, *islice(strangers, 1))


class _Around:
    """Probes that each change one thing about a failed pair: the source, the target, the hosts, the direction."""

    def __init__(self, cells: Matrix, npus: Mapping[str, Sequence[int]]):
        self._npus = npus
        works = [ends for ends, cell in cells.items() if cell.state is State.PASS]
        self._speaks = {ends.source for ends in works}
        self._hears = {ends.target for ends in works}

    def probes(self, ends: Ends, packets: int) -> Iterator[Probe]:
        source, target = ends
        yield Probe(source, target, STRONG)
        others = [host for host in self._npus if host not in (source.host, target.host)]
        pairs = [
            *((source, other) for other in self._hearing(target.host, target, 2)),
            *((source, other) for host in others[:2] for other in self._hearing(host, source, 1)),
            *((other, target) for other in self._speaking(source.host, source, 2)),
            *((other, target) for host in others[:2] for other in self._speaking(host, target, 1)),
            *zip(self._speaking(source.host, source, 1), self._hearing(target.host, target, 1), strict=False),
            (target, source),
            *((source, other) for other in self._hearing(source.host, source, 1)),
            *((other, target) for other in self._speaking(target.host, target, 1)),
        ]
        yield from (Probe(one, other, packets) for one, other in pairs if one != other)

    def _hearing(self, host: str, but: Npu, count: int) -> list[Npu]:
        return self._pick(host, but, count, lambda npu: npu in self._hears)

    def _speaking(self, host: str, but: Npu, count: int) -> list[Npu]:
        return self._pick(host, but, count, lambda npu: npu in self._speaks)

    def _pick(self, host: str, but: Npu, count: int, good: Callable[[Npu], bool]) -> list[Npu]:
        """NPUs of `host` that are known to work, other ones where there are too few; never `but`."""
        ids = self._npus[host]
        turn = [Npu(host, ids[(step + but.npu + 1) % len(ids)]) for step in range(len(ids))]
        return sorted((npu for npu in turn if npu != but), key=lambda npu: not good(npu))[:count]
