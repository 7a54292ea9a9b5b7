"""Events as JSON lines, secrets as `***`, JUnit as CI systems read it."""

from __future__ import annotations

import io
import json
from typing import Any
from xml.etree import ElementTree

import pytest

from qcluster.events import Event, HostFinished, PlayStarted, RunFinished, RunStarted, TaskStarted
from qcluster.report.document import JunitReporter
from qcluster.report.serialise import Mask, event_line, event_record
from qcluster.result import Diff, Status, TaskResult
from qcluster.secret import Secret


@pytest.mark.parametrize(
    "values",
    [
        {"rc": 0, "stdout": "汉字", "password": Secret("hunter22"), "raw": b"bytes", "kinds": {"a"}},
        {("a", 1): "a key that JSON has no form for", 2: None, True: [1.5]},
    ],
)
def test_the_fast_way_to_a_line_says_the_same(values: dict[Any, Any]) -> None:
    event = HostFinished(1.0, "p", "t", "u", "h", TaskResult("h", Status.OK, values, diffs=(Diff("a", "b"),)))
    assert json.loads(event_line(event)) == json.loads(json.dumps(event_record(event)))
    assert "hunter22" not in event_line(event)


def test_a_mask_learns_while_a_run_goes_on_and_copies_only_what_it_changes() -> None:
    mask = Mask(["first secret\n", "abc"])
    value = {"clean": [1, "two"], "said": ("first secret!", "later")}
    assert mask(value) == {"clean": [1, "two"], "said": ("***!", "later")}
    assert mask(value)["clean"] is value["clean"]
    mask.learn("later", "")
    assert mask(value)["said"] == ("***!", "***")
    assert mask("abc") == "abc"  # too short to be told from ordinary text


def test_junit_has_a_case_for_each_task_that_somebody_wrote() -> None:
    def ran(uid: str, task: str, module: str, status: Status) -> list[Event]:
        result = TaskResult("a", status, message="no")
        return [
            TaskStarted(1.0, "p", task, uid, "f:1", module, "preflight"),
            HostFinished(2.0, "p", task, uid, "a", result),
        ]

    stream = io.StringIO()
    reporter = JunitReporter(stream)
    check = "validate_argument_spec"
    for event in (
        RunStarted(0.0, "up", "up.yaml", "i", ("a",)),
        PlayStarted(0.0, "p", ("a",)),
        *ran("1", "Validating arguments", check, Status.OK),
        *ran("2", "Validating other arguments", check, Status.FAILED),
        *ran("3", "preflight : Look", "preflight", Status.OK),
        RunFinished(3.0, 1, {}, 3.0),
    ):
        reporter(event)
    cases = ElementTree.fromstring(stream.getvalue())[0]
    names = ["preflight : Validating other arguments", "preflight : Look"]
    assert [case.get("name") for case in cases] == names and cases.get("tests") == "2"
