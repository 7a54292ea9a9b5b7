"""The HTML report and the journal read back."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import report_stand
from browser import measured

from qcluster.errors import InputError
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
from qcluster.inventory import load
from qcluster.report import page
from qcluster.report.commands import Commands
from qcluster.report.foremost import FIRST, MANY, foremost
from qcluster.report.html import HtmlReport, failures
from qcluster.report.journal import Journal
from qcluster.report.replay import events_of
from qcluster.report.serialise import event_record
from qcluster.report.startups import startups
from qcluster.report.timeline import MANY_HOSTS, bars, by_host, critical_path, stages
from qcluster.result import Diff, Status, TaskResult
from qcluster.serving import make_plan
from qcluster.serving.picture import svg
from qcluster.serving.plan import as_json

FAILED = TaskResult("b", Status.FAILED, {"rc": 1}, "<disk> & full", diffs=(Diff("a", "b", "/x"),), elapsed=2.0)
RUN: list[Event] = [
    RunStarted(100.0, "up", "up.yaml", "inv.yml", ("a", "b")),
    PlayStarted(100.0, "start", ("a", "b")),
    TaskStarted(100.0, "start", "pull", "t1", "x:1", "image", role="image"),
    HostStarted(100.0, "start", "pull", "t1", "a"),
    HostStarted(100.0, "start", "pull", "t1", "b"),
    HostFinished(101.0, "start", "pull", "t1", "a", TaskResult("a", Status.CHANGED, elapsed=1.0)),
    Progress(101.5, "b", "b-0", "milestone", "weights", 3, 8, data={"milestone": "weights", "k": [1]}),
    CommandRan(101.7, "b", "docker pull 'x'", 1, 0.5),
    CommandRan(101.8, "b", "sh -s -- 7", 0, 0.5, 'test "$1" -gt <5>'),
    CommandRan(101.9, "a", "sh -s -- 8", 0, 0.5, 'test "$1" -gt <5>'),
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


def test_the_critical_path_goes_back_from_what_ended_last() -> None:
    run = document().run
    found = bars(run.plays, run.started)
    assert [(bar.host, bar.critical, bar.seconds) for bar in found] == [("a", False, 1.0), ("b", True, 2.0)]
    assert [(stage.name, stage.waited, stage.failed) for stage in stages(found)] == [("image", 2.0, True)]


def test_what_one_host_does_for_all_is_on_everybodys_path() -> None:
    report = HtmlReport()
    for event in report_stand.up():
        report(event)
    path = [bar for bar in bars(report.run.plays, report.run.started) if bar.critical]
    assert [(bar.host, bar.stage) for bar in path] == [
        ("node-1", "preflight"), ("node-0", "network"), ("node-0", "engine"), ("node-0", "engine")
    ]  # fmt: skip
    assert critical_path([]) == []


def test_of_many_hosts_the_stages_are_drawn_and_not_every_task() -> None:
    report = HtmlReport()
    for event in report_stand.up(hosts=MANY_HOSTS + 1):
        report(event)
    rows = by_host(bars(report.run.plays, report.run.started), report.run.hosts)
    assert len(rows) == MANY_HOSTS + 1
    assert [bar.task for bar in rows["node-0"]] == ["preflight: 1 task", "network: 1 task", "engine: 2 tasks"]


def test_of_many_hosts_the_page_shows_those_to_look_at_and_folds_the_rest() -> None:
    report = HtmlReport()
    for event in report_stand.up(hosts=MANY_HOSTS + 1, broken=True):
        report(event)
    page = report.render()
    assert page.count("The other 17 hosts") == 3, "time lines, NPUs, commands"
    shown = page.split("The other 17 hosts")[0]
    assert "<div>node-0</div>" in shown and "<div>node-32</div>" in shown and "<div>node-5</div>" not in shown
    assert "<td>node-[1:32]</td>" in page, "the recap"


def test_the_foremost_of_many_keep_their_order() -> None:
    assert foremost(range(MANY), lambda one: one).rest == []
    split = foremost(range(MANY + 1), lambda one: (one == 3, one))
    assert split.first == [3, *range(MANY + 2 - FIRST, MANY + 1)]
    assert sorted(split.first + split.rest) == list(range(MANY + 1))


def test_a_command_has_the_task_it_was_run_for_and_its_exit_code_a_meaning() -> None:
    commands = Commands()
    asked, failed = Status.OK, Status.FAILED
    for uid, role, host, code, status in (
        ("t1", "image", "a", 1, asked),
        ("t2", "image", "a", 1, failed),
        ("t3", "network", "b", 0, asked),
    ):
        commands.take(TaskStarted(1.0, "up", "look", uid, "x:1", "command", role))
        commands.take(HostStarted(1.0, "up", "look", uid, host))
        commands.take(CommandRan(2.0, "a", "docker ps", code, 0.1, f"script of {uid}"))
        commands.take(HostFinished(3.0, "up", "look", uid, host, TaskResult(host, status)))
    commands.take(CommandRan(4.0, "a", "docker ps", 1, 0.1))
    assert [(one.task, one.failed) for one in commands.by_host()["a"]] == [
        ("image : look", False),
        ("image : look", True),
        ("network : look", False),  # what b does asks a, too
        ("", False),
    ]
    assert [(number, task) for number, task, _ in commands.numbered()] == [
        (1, "image : look"), (2, "image : look"), (3, "network : look")
    ]  # fmt: skip


def test_a_start_up_has_a_leg_to_each_milestone_and_begins_when_the_host_was_told() -> None:
    report = HtmlReport()
    for event in report_stand.up(dies=True):
        report(event)
    good, bad = startups(report.run.plays, report.run.progress, report.run.started)
    assert (good.instance, good.begin, good.complete, len(good.legs)) == ("node-0-0", 7.0, True, 12)
    assert (bad.complete, bad.why, bad.reached) == (False, "ended with exit code 1", "weights")
    assert good.after["args"] == 2.0


def test_an_engine_that_starts_again_has_only_its_last_start() -> None:
    def moved(at: float, milestone: str) -> dict[str, Any]:
        return {"kind": "milestone", "subject": "a-0", "host": "a", "at": at, "data": {"milestone": milestone}}

    steps = [moved(1, "args"), moved(2, "weights"), moved(3, "weights"), moved(4, "args"), moved(5, "engine")]
    (start,) = startups([], steps, 0.0)
    assert [(leg.id, leg.end) for leg in start.legs] == [("args", 4), ("engine", 5)]


class Outline(HTMLParser):
    """Collects headings and every reference to something outside the page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if tag == "h2" else []
        self.outside += [values[name] for name in ("src", "href") if values.get(name, "#")[0] != "#"]


def test_the_page_is_self_contained_and_escapes_what_hosts_said() -> None:
    page = document().render(picture="<svg></svg>")
    outline = Outline()
    outline.feed(page)
    assert outline.outside == []
    assert outline.ids == ["failures", "topology", "timeline", "startups", "recap", "commands"]
    assert "&lt;disk&gt; &amp; full" in page
    assert "a task failed" in page


@pytest.mark.parametrize(("code", "words"), [(0, "done"), (4, "does not serve correctly"), (130, "interrupted")])
def test_the_verdict_is_a_sentence(code: int, words: str) -> None:
    report = HtmlReport()
    for event in (*RUN[:-1], RunFinished(103.0, code, {}, 3.0)):
        report(event)
    assert words in report.render()


def test_a_killed_run_says_how_long_it_went_and_what_it_was_at() -> None:
    report = HtmlReport()
    for event in RUN[:6]:
        report(event)
    told = report.render()
    assert "unfinished" in told and "1.0 s until its last word" in told
    assert 'It was at: image : pull <span class="dim">(b)</span>.' in told


def test_a_script_that_many_hosts_read_is_printed_once() -> None:
    told = document().render()
    assert told.count("test &#34;$1&#34; -gt &lt;5&gt;") == 1
    assert told.count('href="#script-1"') == 2


def test_a_failure_is_told_once_with_all_hosts_that_said_it() -> None:
    report = HtmlReport()
    for event in (*report_stand.up(dies=True),):
        report(event)
    (failure,) = failures(report.run.plays)
    assert (failure.message, failure.hosts) == (report_stand.OOM, ["node-0"])


def test_only_a_report_is_ever_replaced(tmp_path: Path) -> None:
    target = tmp_path / "up.html"
    told = document().render()
    assert page.write(target, told) == f"report: {target}"
    assert page.write(target, told).endswith("(an older report was replaced)")
    target.write_text("<html>mine</html>")
    with pytest.raises(InputError, match="exists and is not a report"):
        page.write(target, told)
    assert target.read_text() == "<html>mine</html>"


@pytest.mark.parametrize(("name", "why"), [("", "a folder"), ("no/such.html", "there is no folder")])
def test_where_no_page_can_be_written_is_said_at_once(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        page.refuse(tmp_path / name)


PLAN = make_plan(load(Path(__file__).parents[2] / "inventories" / "2p2d.yaml"))


@pytest.mark.browser
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, ("✓ done", "✓ 13.0 s", "64 passed, 0 failed", "complete after 13.0 s")),
        ({"dies": True}, ("✕ a task failed", "HBM &lt;is&gt; exhausted", "✕ ended with exit code 1", "exit 1")),
        (
            {"hosts": 16, "broken": True},
            ("NPU 5 of node-1 cannot reach", "hccn_tool -i 5", "node-15", "node-1 → node-"),
        ),
    ],
    ids=["good", "failed", "16 hosts"],
)
def test_in_chromium_a_page_is_complete_quiet_and_readable(
    how: dict[str, Any], words: tuple[str, ...], tmp_path: Path
) -> None:
    report = HtmlReport()
    for event in report_stand.up(**how):
        report(event)
    picture = tmp_path / "page.png"
    seen = measured(tmp_path, report.render(as_json(PLAN), svg(PLAN)), f"--screenshot={picture}")
    assert [word for word in words if word not in seen.dom] == []
    assert (seen.console, seen.measured["requests"]) == ([], [])
    for theme in ("light", "dark"):
        told = seen.measured[theme]
        assert told["texts"] > 300
        assert (told["weak"], told["faint"]) == ([], []), theme
    assert seen.measured["light"]["paper"] != seen.measured["dark"]["paper"]
    assert seen.measured["wider"] <= 0, "the page must not scroll sideways"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000


SPOILT = """<style>b {{ color: #999; background: #fff }}</style><b>faint</b><img src="no-such-picture.png">
<script>console.error("this is seen")</script></body>"""


@pytest.mark.browser
def test_in_chromium_what_would_be_wrong_is_seen(tmp_path: Path) -> None:
    """The measure itself: a faint text, a request and a complaint, each of them found."""
    seen = measured(tmp_path, document().render().replace("</body>", SPOILT.format()))
    assert [text for _, text in seen.measured["light"]["weak"]] == ["faint"]
    assert any("this is seen" in line for line in seen.console)
    assert any("Content Security Policy" in line for line in seen.console), "the page itself forbids requests"
