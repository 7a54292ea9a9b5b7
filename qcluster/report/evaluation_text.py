"""An evaluation for the terminal: a table of its points and the verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from qcluster.evaluate.model import Evaluation, Load, Measured, Spread

BOLD, RED, PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


def evaluation_lines(found: Evaluation, colour: bool = False) -> list[str]:
    request, subject = found.request, found.request.subject
    title = f"{found.id} · {subject.model} on {subject.hardware} · {subject.instances} · {request.tool} {request.kind}"
    lines = [f"{BOLD}{title}{PLAIN}" if colour else title, "", *_aligned(table(found.points))]
    lines += [""] if found.remarks else []
    for remark in found.remarks:
        text = f"{'bad: ' if remark.bad else ''}{remark.text}"
        lines.append(f"{RED}{text}{PLAIN}" if colour and remark.bad else text)
    if not found.complete:
        lines.append(f"unfinished: {len(found.points)} of {len(request.points)} points; the same command goes on")
    return lines


def table(points: Sequence[Measured]) -> list[tuple[str, ...]]:
    """The heads of the columns, then a row a figure."""
    if any(one.load for one in points):
        head = ("point", "requests", "failed", "req/s", "output tok/s", "TTFT ms", "p99", "TPOT ms", "p99")
        return [head, *(_load_row(one.point.name, one.load) for one in points if one.load)]
    if any(one.offline for one in points):
        return [("point", "figure", "value"), *(row for one in points for row in _offline_rows(one))]
    titles = ("service", "dataset", "metric", "score %", "stderr", "questions")
    return [titles, *(row for one in points for row in _score_rows(one))]


def _load_row(name: str, load: Load) -> tuple[str, ...]:
    figures = (f"{load.request_throughput:.2f}", f"{load.output_throughput:.1f}")
    return (name, str(load.completed), str(load.failed), *figures, *_spread(load.ttft), *_spread(load.tpot))


def _spread(spread: Spread | None) -> tuple[str, str]:
    return (f"{spread.median:.1f}", f"{spread.p99:.1f}") if spread else ("–", "–")


def _offline_rows(one: Measured) -> Iterator[tuple[str, ...]]:
    assert one.offline
    if one.offline.latency is not None:
        yield one.point.name, "average of a batch", f"{one.offline.latency:.3f} s"
    for name, value in one.offline.percentiles.items():
        yield one.point.name, name, f"{value:.3f} s"
    if one.offline.request_throughput is not None:
        yield one.point.name, "requests", f"{one.offline.request_throughput:.2f} a second"
    if one.offline.total_throughput is not None:
        yield one.point.name, "tokens, in and out", f"{one.offline.total_throughput:.1f} a second"


def _score_rows(one: Measured) -> Iterator[tuple[str, ...]]:
    for score in one.scores:
        error = f"{score.stderr:.2f}" if score.stderr is not None else "–"
        yield one.point.service, score.dataset, score.metric, f"{score.value:.2f}", error, str(score.samples or "–")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, figures to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    texts = {at for at in range(len(rows[0])) if at < 1 or not any(row[at][:1].isdigit() for row in rows[1:])}
    return ["  ".join(_cell(word, widths[at], at in texts) for at, word in enumerate(row)).rstrip() for row in rows]


def _cell(word: str, width: int, left: bool) -> str:
    return word.ljust(width) if left else word.rjust(width)


def result_row(found: Evaluation) -> str:
    """One line of `qcluster bench results`."""
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.started))
    state = "unfinished" if not found.complete else "good" if found.good else "bad"
    request = found.request
    what = f"{request.tool} {request.kind}"
    return f"{found.id:<28} {began}  {state:<10} {what:<18} {result_best(found):<32} {request.subject.model}".rstrip()


def result_best(found: Evaluation) -> str:
    """The figure that people ask for first."""
    loads = [one.load.output_throughput for one in found.points if one.load]
    if loads:
        return f"{max(loads):.1f} output tok/s at best"
    for one in found.points:
        if one.offline and one.offline.latency is not None:
            return f"{one.offline.latency:.3f} s a batch"
        if one.offline:
            return f"{one.offline.total_throughput:.1f} tok/s"
        if one.scores:
            return f"{one.scores[0].dataset} {one.scores[0].value:.2f} %"
    return ""
