"""The page of an evaluation: its verdict, throughput and latencies against concurrency, and the results before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from qcluster.evaluate.chart import CSS, Series, chart
from qcluster.evaluate.model import Evaluation, Load, evaluation_of
from qcluster.report import page
from qcluster.report.evaluation_text import result_best, table

EARLIER = 2
"""How many of the results before are drawn beside the newest; the table lists all."""

Figure = Callable[[Load], float | None]
CHARTS: tuple[tuple[str, str, tuple[tuple[str, Figure], ...]], ...] = (
    ("Output throughput", "tokens/s", (("", lambda load: load.output_throughput),)),
    (
        "Time to first token",
        "ms",
        (
            ("median", lambda load: load.ttft.median if load.ttft else None),
            ("p99", lambda load: load.ttft.p99 if load.ttft else None),
        ),
    ),
    (
        "Time per output token",
        "ms",
        (
            ("median", lambda load: load.tpot.median if load.tpot else None),
            ("p99", lambda load: load.tpot.p99 if load.tpot else None),
        ),
    ),
    ("Requests", "a second", (("", lambda load: load.request_throughput),)),
)


def evaluation_page(found: Sequence[Evaluation]) -> str:
    """`found[0]` is told; the others, newest first, are what it can be compared with."""
    newest = found[0]
    return page.render(
        "evaluation.html.j2",
        it=newest,
        charts=charts(found),
        css=CSS,
        kind="good" if newest.complete and newest.good else "bad" if newest.complete else "warn",
        sentence=sentence(newest),
        evaluation={"table": table(newest.points)},
        history=[_row(one) for one in found],
        began=_when(newest),
    )


def of_run(plays: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What a run of `bench` or `eval` measured, for the page of that run: its table and charts."""
    for task in (task for play in plays for task in play["tasks"] if task["module"] == "evaluation_verdict"):
        for result in task["hosts"].values():
            if "evaluation" in result["values"]:
                found = evaluation_of(result["values"]["evaluation"])
                return {"id": found.id, "table": table(found.points), "charts": charts([found]), "css": CSS}
    return None


def sentence(one: Evaluation) -> str:
    if not one.complete:
        return f"Unfinished: {len(one.points)} of {len(one.request.points)} points have been measured."
    bad = sum(remark.bad for remark in one.remarks)
    return "Good." if not bad else f"Bad: {bad} of {len(one.remarks)} findings."


def charts(found: Sequence[Evaluation]) -> list[str]:
    """Those that have something to show: a sweep has several concurrencies."""
    drawn = [chart(title, unit, _lines(found, figures)) for title, unit, figures in CHARTS]
    return [one for one in drawn if one]


def _lines(found: Sequence[Evaluation], figures: Sequence[tuple[str, Figure]]) -> list[Series]:
    """Every figure of the newest, and the first figure of those before; of several services the first figure only."""
    lines = []
    services = tuple(dict.fromkeys(one.point.service for one in found[0].points))
    several = len(services) > 1
    for service in services:
        for word, figure in figures[:1] if several else figures:
            name = " ".join(part for part in (service if several else "", word) if part) or "this run"
            lines.append(Series(name, _points(found[0], service, figure)))
        before = found[1 : 1 + EARLIER] if not several else ()
        word, figure = figures[0]
        lines += [Series(f"{one.id} {word}".strip(), _points(one, service, figure)) for one in before]
    return [line for line in lines if len(line.points) > 1]


def _points(one: Evaluation, service: str, figure: Figure) -> tuple[tuple[float, float], ...]:
    pairs = [
        (float(measured.point.concurrency), figure(measured.load))
        for measured in one.points
        if measured.load and measured.point.concurrency and measured.point.service == service
    ]
    return tuple((x, y) for x, y in pairs if y is not None)


def _row(one: Evaluation) -> dict[str, Any]:
    state = "unfinished" if not one.complete else "good" if one.good else "bad"
    subject = one.request.subject
    return {
        "id": one.id,
        "began": _when(one),
        "state": state,
        "best": result_best(one),
        "release": subject.release,
        "digest": subject.digest,
        "instances": subject.instances,
    }


def _when(one: Evaluation) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.started))
