"""`-o json` and `-o junit`: the whole run as one document on stdout when it is over."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from typing import IO, Any
from xml.etree import ElementTree

from qcluster.events import Event, RunFinished
from qcluster.report.collect import Collector
from qcluster.report.lines import VALIDATE, named
from qcluster.report.serialise import plain

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no form for, not even escaped: a terminal's colours in a log line are enough to break a document."""


class _Document(Collector, ABC):
    """Writes `text()` when the run is over."""

    def __init__(self, stream: IO[str]):
        super().__init__()
        self._stream = stream

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, RunFinished):
            self._stream.write(self.text() + "\n")

    @abstractmethod
    def text(self) -> str: ...


class JsonReporter(_Document):
    """Schema: docs/schemas/run.json."""

    def text(self) -> str:
        return json.dumps(plain(self.run), indent=2, ensure_ascii=False)


class JunitReporter(_Document):
    """A test suite a play, a test case a task and host: what CI systems read. Schema: docs/schemas/junit.xsd."""

    def text(self) -> str:
        return ElementTree.tostring(self._suites(), encoding="unicode")

    def _suites(self) -> ElementTree.Element:
        root = ElementTree.Element("testsuites", name=f"qcluster {self.run.verb}", time=f"{self.run.elapsed:.3f}")
        for play in self.run.plays:
            cases = [(task, host, result) for task in _tested(play) for host, result in task["hosts"].items()]
            failures = sum(_bad(result) for _, _, result in cases)
            skipped = sum(result["status"] == "skipped" for _, _, result in cases)
            counts = {"tests": str(len(cases)), "failures": str(failures), "skipped": str(skipped)}
            suite = ElementTree.SubElement(root, "testsuite", {"name": play["play"], **counts})
            for task, host, result in cases:
                suite.append(_case(task, host, result))
        return root


def _tested(play: dict[str, Any]) -> list[dict[str, Any]]:
    """The tasks that somebody wrote; the check of a role's arguments is a case only where it failed."""
    return [task for task in play["tasks"] if task["module"] != VALIDATE or any(map(_bad, task["hosts"].values()))]


def _case(task: dict[str, Any], host: str, result: dict[str, Any]) -> ElementTree.Element:
    name = named(task["role"], task["task"])
    case = ElementTree.Element("testcase", classname=host, name=name, time=f"{result['elapsed']:.3f}")
    if _bad(result):
        message = _NOT_XML.sub(lambda found: ascii(found[0])[1:-1], result["message"])
        ElementTree.SubElement(case, "failure", message=message).text = message
    elif result["status"] == "skipped":
        ElementTree.SubElement(case, "skipped")
    return case


def _bad(result: dict[str, Any]) -> bool:
    return result["status"] in ("failed", "unreachable") and not (result["ignored"] or result["rescued"])
