"""The schemas in docs/schemas are those of the code, and what is printed keeps to them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import jsonschema
import pytest

from qcluster.events import (
    CommandRan,
    Event,
    HostFinished,
    HostStarted,
    HostTally,
    PlayStarted,
    Progress,
    RunFinished,
    RunStarted,
    TaskStarted,
)
from qcluster.facts.metrics import Load
from qcluster.facts.proven import Proof
from qcluster.report.document import JsonReporter
from qcluster.report.schemas import all_schemas, text
from qcluster.report.serialise import event_record, plain
from qcluster.report.status import Row
from qcluster.result import Diff, Status, TaskResult

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
SCHEMAS = all_schemas()
RESULT = TaskResult("a", Status.CHANGED, {"rc": 0}, "", diffs=(Diff("x", "y"),))
RUN: list[Event] = [
    RunStarted(1.0, "up", "up.yaml", "i.yaml", ("a",)),
    PlayStarted(1.0, "p", ("a",)),
    TaskStarted(1.0, "p", "t", "u", "x:1", "copy"),
    HostStarted(1.0, "p", "t", "u", "a"),
    CommandRan(1.1, "a", "true", 0, 0.1),
    Progress(1.2, "a", "image", "bytes", "pulling", 1, 2, "B"),
    HostFinished(1.3, "p", "t", "u", "a", RESULT),
    RunFinished(2.0, 0, {"a": HostTally(ok=1)}, 1.0),
]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_documented_schema_is_the_codes(name: str) -> None:
    assert (FOLDER / name).read_text() == text(SCHEMAS[name]), "run: python -m qcluster.report.schemas docs/schemas"


@pytest.mark.parametrize("event", RUN, ids=lambda event: type(event).__name__)
def test_every_event_is_valid_and_only_as_itself(event: Event) -> None:
    record = event_record(event)
    jsonschema.validate(record, SCHEMAS["events.json"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**record, "event": "Nothing"}, SCHEMAS["events.json"])


def test_a_run_is_valid() -> None:
    stream = io.StringIO()
    reporter = JsonReporter(stream)
    for event in RUN:
        reporter(event)
    document = json.loads(stream.getvalue())
    jsonschema.validate(document, SCHEMAS["run.json"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "exit": "no"}, SCHEMAS["run.json"])


def test_a_status_is_valid() -> None:
    busy = Load(3, 2, 41.0, 312.0, None, 1500.0, None, 7)
    row = Row("p-0", "prefill", "p", (0, 1), 7100, "box", "running", 61, "complete", "ok", 61000, 131072, busy)
    proof = Proof(1.0, "up", "")
    document = {"deployment": "d", "instances": [plain(row)], "proof": {**plain(proof), "current": True}}
    jsonschema.validate(document, SCHEMAS["status.json"])
    jsonschema.validate({**document, "proof": None}, SCHEMAS["status.json"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "instances": [{**plain(row), "load": "much"}]}, SCHEMAS["status.json"])
