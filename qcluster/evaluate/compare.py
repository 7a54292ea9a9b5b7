"""Whether it is good enough: failed requests, a score below its reference, a throughput that fell. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qcluster.evaluate.model import Evaluation, Measured, Remark, Request, Score

MARGIN = 2.0
"""Points of percent that a score may be below its reference when nobody said otherwise."""

MAX_REGRESSION = 20.0
"""Percent that a throughput may be below the earlier one when nobody said otherwise."""

SURE = 1.96
"""How many standard errors make 95 %."""


@dataclass(frozen=True)
class Reference:
    """A published score. It holds for that tool and metric only: another prompt gives another score."""

    dataset: str
    metric: str
    value: float
    tool: str
    samples: int
    source: str


@dataclass(frozen=True)
class Limits:
    """When a result is bad. `reference` is the operator's own, in percent, for whatever tool is run."""

    margin: float = MARGIN
    max_regression: float = MAX_REGRESSION
    reference: float | None = None


def verdict(
    found: Sequence[Measured], request: Request, limits: Limits, known: Sequence[Reference], earlier: Evaluation | None
) -> tuple[Remark, ...]:
    """Every sentence about the result, the bad ones marked."""
    return (
        *(remark for one in found for remark in failures(one)),
        *(remark for one in found for remark in judged(one, request, limits, known)),
        *(regressions(found, earlier, limits) if earlier else ()),
    )


def failures(one: Measured) -> Iterator[Remark]:
    if one.load and one.load.failed:
        count = one.load.completed + one.load.failed
        text = f"{one.load.failed} of {count} requests failed; the engines' logs say why (qcluster doctor)"
        yield Remark(True, f"{one.point.name}: {text}")
    if one.load and not one.load.completed:
        yield Remark(True, f"{one.point.name}: no request was answered")


def judged(one: Measured, request: Request, limits: Limits, known: Sequence[Reference]) -> Iterator[Remark]:
    """Each score against the operator's reference, else the published one where tool and metric agree."""
    if limits.reference is not None:
        for score in one.scores:
            yield _against(one, score, limits, (limits.reference, score.samples or 0, "--reference"))
        return
    for ref in known:
        mine = [score for score in one.scores if score.dataset == ref.dataset]
        for score in mine:
            if ref.tool == request.tool and ref.metric == score.metric:
                yield _against(one, score, limits, (ref.value, ref.samples, ref.source))
        if mine and ref.tool != request.tool:
            text = f"{ref.dataset}: not judged, since {ref.tool}'s {ref.value:g} ({ref.source}) is of another prompt"
            yield Remark(False, f"{one.point.service}: {text}; give --reference")


def _said(one: Measured, score: Score) -> str:
    error = f" ± {score.stderr:.2f}" if score.stderr is not None else ""
    return f"{one.point.service}: {score.dataset} {score.metric} {score.value:.2f}{error}"


def _against(one: Measured, score: Score, limits: Limits, reference: tuple[float, int, str]) -> Remark:
    value, count, source = reference
    margin = max(limits.margin, chance(value, count, score.samples))
    bad = score.value < value - margin
    word = "below" if bad else "within the margin of"
    return Remark(bad, f"{_said(one, score)} is {word} the reference {value:g} − {margin:.2f} ({source})")


def chance(value: float, count: int, samples: int | None) -> float:
    """Points of percent that two honest runs may differ by chance (95 %), when one or both have few samples."""
    share = min(max(value / 100, 0.0), 1.0)
    parts = [1 / number for number in (count, samples or 0) if number]
    return 100 * SURE * math.sqrt(share * (1 - share) * sum(parts))


def comparable(one: Request, other: Request) -> bool:
    """The same model on the same hardware, asked the same; how many requests and which digest does not matter."""
    mine, theirs = one.subject, other.subject
    same = (mine.deployment, mine.model, mine.hardware) == (theirs.deployment, theirs.model, theirs.hardware)
    work, then = one.workload, other.workload
    lengths = (work.dataset, work.input_len, work.output_len, work.batch_size, work.fewshot, work.args)
    return (
        same
        and (one.kind, one.tool) == (other.kind, other.tool)
        and lengths == (then.dataset, then.input_len, then.output_len, then.batch_size, then.fewshot, then.args)
    )


def regressions(found: Sequence[Measured], earlier: Evaluation, limits: Limits) -> Iterator[Remark]:
    """What changed since `earlier`, point by point where both have it."""
    for one in found:
        before = next((old for old in earlier.points if _place(old) == _place(one)), None)
        for what, now, then, up in _figures(one, before) if before else ():
            change = 100 * (now - then) / then if then else 0.0
            bad = (-change if up else change) > limits.max_regression
            yield Remark(bad, f"{one.point.name}: {what} {now:.4g}, {change:+.1f} % against {then:.4g} of {earlier.id}")
        yield from _scores(one, before, limits, earlier.id) if before else ()


def _place(one: Measured) -> tuple[object, ...]:
    return one.point.service, one.point.concurrency, one.point.request_rate


def _figures(one: Measured, before: Measured) -> Iterator[tuple[str, float, float, bool]]:
    """(what, now, then, more is better) of the figures that decide."""
    if one.load and before.load:
        yield "output tokens/s", one.load.output_throughput, before.load.output_throughput, True
    if one.offline and before.offline:
        if one.offline.latency is not None and before.offline.latency is not None:
            yield "seconds a batch", one.offline.latency, before.offline.latency, False
        if one.offline.total_throughput is not None and before.offline.total_throughput is not None:
            yield "tokens/s", one.offline.total_throughput, before.offline.total_throughput, True


def _scores(one: Measured, before: Measured, limits: Limits, name: str) -> Iterator[Remark]:
    old = {(score.dataset, score.metric): score for score in before.scores}
    for score in one.scores:
        then = old.get((score.dataset, score.metric))
        if then is None:
            continue
        allowed = max(limits.margin, chance(then.value, then.samples or 0, score.samples))
        bad = score.value < then.value - allowed
        change = score.value - then.value
        yield Remark(bad, f"{_said(one, score)}, {change:+.2f} against {then.value:.2f} of {name}")
