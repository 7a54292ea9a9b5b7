"""What came of an evaluation: all points in one document, compared with its reference and with the run before.

Bad results end the run with exit code 4. Source: issue 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qcluster.errors import NotServing
from qcluster.evaluate import store
from qcluster.evaluate.compare import MARGIN, MAX_REGRESSION, Limits, Reference, comparable, verdict
from qcluster.evaluate.model import Evaluation, Request, as_json
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.serving.catalogue import models


class EvaluationVerdict:
    spec = Spec(
        {
            "folder": Option("path", required=True, help="The evaluation's folder on the controller."),
            "margin": Option(
                "float", default=MARGIN, help="Points of percent that a score may be below its reference."
            ),
            "max_regression": Option("float", default=MAX_REGRESSION, help="Percent that a throughput may fall."),
            "reference": Option("float", help="The score to reach, in percent; default: the recipe's."),
            "lost": Option("list", default=(), help="Hosts that failed to measure, and have said why."),
        },
        help="Judge an evaluation (run_once); exit code 4 where it is bad.",
    )
    supports_check = False

    def run(self, call: Call, reach: Reach) -> Report:
        folder, args = Path(call.args["folder"]), call.args
        limits = Limits(float(args["margin"]), float(args["max_regression"]), args["reference"])
        found = judged(folder, limits)
        if found.points:
            store.save(folder / "result.json", as_json(found))
        missing = len(found.request.points) - len(found.points)
        if missing:
            return _incomplete(f"{missing} of {len(found.request.points)} points could not be measured", args["lost"])
        bad = [remark.text for remark in found.remarks if remark.bad]
        values = {"evaluation": as_json(found)}
        return Report(values=values, failed="\n".join(bad), fatal=NotServing.exit_code if bad else 0)


def _incomplete(told: str, lost: Sequence[str]) -> Report:
    """Whoever failed to measure has said why; the host that judges for all is not to blame."""
    return Report(skipped=f"{told}: {', '.join(lost)}") if lost else Report(failed=told)


def judged(folder: Path, limits: Limits) -> Evaluation:
    """The evaluation with its verdict."""
    told = store.evaluation_in(folder)
    request, points = store.request_in(folder), store.measured_in(folder)
    earlier = before(folder, request)
    remarks = verdict(points, request, limits, references(request.subject.model), earlier)
    complete = len(points) == len(request.points)
    against = earlier.id if earlier else ""
    return replace(told, complete=complete, points=points, remarks=remarks, against=against)


def before(folder: Path, request: Request) -> Evaluation | None:
    """The newest earlier evaluation of the same kind that was complete and good."""
    for other in reversed(store.folders(folder.parent)):
        if other.name < folder.name and comparable(request, store.request_in(other)):
            found = store.evaluation_in(other)
            if found.complete and found.good:
                return found
    return None


def references(model: str) -> tuple[Reference, ...]:
    """The scores that the model's recipe publishes."""
    known = models().get(model)
    return tuple(Reference(**entry) for entry in known[1].scores) if known else ()


evaluation_verdict = EvaluationVerdict()
