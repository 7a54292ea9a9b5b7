"""The HTML report and the journal read back."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

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
from qcluster.report.html import HtmlReport
from qcluster.report.journal import Journal
from qcluster.report.replay import events_of
from qcluster.report.serialise import event_record
from qcluster.report.timeline import bars, last_host, milestones, stages
from qcluster.result import Diff, Status, TaskResult

FAILED = TaskResult("b", Status.FAILED, {"rc": 1}, "<disk> & full", diffs=(Diff("a", "b", "/x"),), elapsed=2.0)
RUN: list[Event] = [
    RunStarted(100.0, "up", "up.yaml", "inv.yml", ("a", "b")),
    PlayStarted(100.0, "start", ("a", "b")),
    TaskStarted(100.0, "start", "pull", "t1", "x:1", "image", role="image"),
    HostStarted(100.0, "start", "pull", "t1", "a"),
    HostStarted(100.0, "start", "pull", "t1", "b"),
    HostFinished(101.0, "start", "pull", "t1", "a", TaskResult("a", Status.CHANGED, elapsed=1.0)),
    Progress(101.5, "b", "b-0", "milestone", "weights", 3, 8, data={"k": [1]}),
    CommandRan(101.7, "b", "docker pull 'x'", 1, 0.5),
    HostFinished(102.0, "start", "pull", "t1", "b", FAILED),
    RunFinished(103.0, 1, {"a": HostTally(ok=1), "b": HostTally(failed=1)}, 3.0),
]


def document() -> HtmlReport:
    report = HtmlReport()
    for event in RUN:
        report(event)
    return report


def test_a_journal_read_back_gives_the_same_events(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for event in RUN:
        journal(event)
    journal.close()
    assert [event_record(event) for event in events_of(tmp_path)] == [event_record(event) for event in RUN]


def test_a_journal_cut_short_ends_where_it_was_cut(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal(RUN[0])
    journal.close()
    with (tmp_path / "events.ndjson").open("a") as stream:
        stream.write('{"event": "PlaySt')
    assert list(events_of(tmp_path)) == RUN[:1]


def test_the_host_that_others_waited_for_is_the_critical_path() -> None:
    run = document().run
    found = bars(run.plays, run.started)
    assert last_host(found) == "b"
    assert [(bar.host, bar.critical, bar.seconds) for bar in found] == [("a", False, 1.0), ("b", True, 2.0)]
    assert stages(found) == {"image": 2.0}


def test_milestones_are_counted_from_the_start_of_the_run() -> None:
    assert milestones(document().run.progress, 100.0)["b-0"][0].at == 1.5


class Outline(HTMLParser):
    """Collects headings and every reference to something outside the page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [str(values["id"])] if tag == "h2" else []
        self.outside += [str(values[name]) for name in ("src", "href") if values.get(name)]


def test_the_page_is_self_contained_and_escapes_what_hosts_said() -> None:
    page = document().render(picture="<svg></svg>")
    outline = Outline()
    outline.feed(page)
    assert outline.outside == []
    assert outline.ids == ["failures", "topology", "timeline", "milestones", "recap", "commands"]
    assert "&lt;disk&gt; &amp; full" in page
    assert "a task failed" in page


@pytest.mark.parametrize(("code", "words"), [(0, "done"), (4, "does not serve correctly"), (130, "interrupted")])
def test_the_verdict_is_a_sentence(code: int, words: str) -> None:
    report = HtmlReport()
    for event in (*RUN[:-1], RunFinished(103.0, code, {}, 3.0)):
        report(event)
    assert words in report.render()
