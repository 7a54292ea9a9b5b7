"""Events as lines: what is shown at which verbosity, and the recap."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema

from qcluster.events import (
    CommandRan,
    Event,
    HostFinished,
    HostStarted,
    HostTally,
    ItemFinished,
    OperatorAnswered,
    OperatorAsked,
    PlayFinished,
    PlayStarted,
    Progress,
    RunFinished,
    RunStarted,
    TaskStarted,
)
from qcluster.report.console import is_live
from qcluster.report.document import JsonReporter, JunitReporter
from qcluster.report.fanout import fan_out
from qcluster.report.journal import Journal, failed_hosts, runs
from qcluster.report.lines import Lines, Style, unified
from qcluster.report.mishaps import Mishaps
from qcluster.report.ndjson import NdjsonReporter
from qcluster.report.serialise import Mask, plain
from qcluster.result import Diff, Status, TaskResult
from qcluster.secret import Secret

REPOSITORY = Path(__file__).parents[2]


def finished(host: str, status: Status, **fields: object) -> HostFinished:
    return HostFinished(3.0, "p", "copy it", "t1", host, TaskResult(host, status, **fields))  # type: ignore[arg-type]


RUN: list[Event] = [
    RunStarted(1.0, "run", "site.yml", "inv.yml", ("a", "b")),
    PlayStarted(1.0, "p", ("a", "b")),
    TaskStarted(1.5, "p", "copy it", "t1", "site.yml:3", "copy", role="web"),
    HostStarted(1.5, "p", "copy it", "t1", "a"),
    finished("a", Status.CHANGED, elapsed=1.5),
    finished("b", Status.FAILED, message="disk full\non /var", elapsed=0.1),
    RunFinished(4.0, 1, {"a": HostTally(ok=1, changed=1), "b": HostTally(failed=1)}, 3.0),
]


def lines(style: Style, events: list[Event] = RUN) -> list[str]:
    reader = Lines(style)
    return [line for event in events for line in reader.of(event)]


def test_a_failure_says_host_task_and_every_line_of_its_message() -> None:
    text = "\n".join(lines(Style()))
    assert "failed      b            web : copy it" in text
    assert "disk full" in text
    assert "on /var" in text


def test_the_recap_has_ansibles_counters_in_ansibles_order() -> None:
    assert lines(Style())[-2] == "a : ok=1 changed=1 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0"


def test_the_counters_of_a_recap_stand_below_each_other() -> None:
    tallies = {"a": HostTally(ok=1), "b12": HostTally(ok=120, failed=1)}
    first, second = lines(Style(), [RunFinished(4.0, 1, tallies, 3.0)])[-2:]
    assert first.startswith("a   : ok=1   changed=0 ")
    assert second.startswith("b12 : ok=120 changed=0 ")


def test_of_many_hosts_those_that_came_to_the_same_share_a_line_of_the_recap() -> None:
    tallies = {f"p{i}": HostTally(ok=3) for i in range(1, 100)} | {"d1": HostTally(ok=2, failed=1)}
    tallies["d2"] = HostTally(ok=2, failed=1)
    end = [RunFinished(4.0, 1, tallies, 3.0)]
    told = lines(Style(everything=False), end)
    assert [line.split(" : ")[0].strip() for line in told[1:]] == ["p[1:99]", "d1", "d2"]
    assert len(lines(Style(), end)) == 102, "run and exec tell each host, as Ansible does"
    few = dict(list(tallies.items())[:3])
    assert len(lines(Style(everything=False), [RunFinished(4.0, 0, few, 3.0)])) == 4


def test_while_the_operator_is_asked_something_nothing_is_written() -> None:
    asked, failed = OperatorAsked(2.0, "Go on"), finished("b", Status.FAILED, message="disk full")
    reader = Lines(Style())
    assert [list(reader.of(event)) for event in (asked, failed)] == [[], []]
    assert any("disk full" in line for line in reader.of(OperatorAnswered(3.0)))
    assert reader.of(failed) != []
    reader.of(asked)
    reader.of(failed)
    assert any("disk full" in line for line in reader.of(RunFinished(4.0, 1, {}, 3.0))), "a run that was killed"


def test_quiet_shows_failures_and_the_recap_only() -> None:
    shown = lines(Style(quiet=True))
    assert not any("PLAY" in line or "changed     a" in line for line in shown)
    assert any("failed      b" in line for line in shown)


@pytest.mark.parametrize(("everything", "seen"), [(True, True), (False, False)])
def test_what_was_already_so_is_shown_as_ansible_does_or_left_out(everything: bool, seen: bool) -> None:
    events: list[Event] = [finished("a", Status.OK)]
    assert bool(lines(Style(everything=everything), events)) is seen


def test_an_instance_is_told_once_a_milestone_and_not_once_a_shard() -> None:
    def at(milestone: str, text: str) -> Progress:
        return Progress(1.0, "a", "a-0", "milestone", text, data={"milestone": milestone})

    told = lines(Style(), [at("weights", "weights 1/9"), at("weights", "weights 2/9"), at("loaded", "weights loaded")])
    assert [line.split("a-0: ")[1] for line in told] == ["weights 1/9", "weights loaded"]


def test_commands_are_shown_from_three_v_on() -> None:
    ran: list[Event] = [CommandRan(1.0, "a", "true", 0, 0.002)]
    assert lines(Style(verbosity=2), ran) == []
    assert "[0, 2 ms] true" in lines(Style(verbosity=3), ran)[0]


@pytest.mark.parametrize(("module", "told"), [("end_run", 1), ("copy", 2)])
def test_a_rescue_that_ends_the_run_does_not_say_it_again(module: str, told: int) -> None:
    failure = finished("b", Status.FAILED, message="no disk\nsee df")
    again = finished("a", Status.FAILED, message="no disk")  # `run_once` is on the first host, with the first line
    events: list[Event] = [failure, TaskStarted(1.5, "p", "End", "t1", "up.yaml:9", module), again]
    assert "\n".join(lines(Style(), events)).count("no disk") == told


def test_of_a_play_in_which_nothing_happened_nothing_is_told() -> None:
    quiet: list[Event] = [PlayStarted(1.0, "calm", ("a",)), finished("a", Status.OK), PlayFinished(2.0, "calm")]
    shown = lines(Style(everything=False), [*quiet, *RUN[1:-1], *quiet[:1], RUN[-1]])
    assert [line for line in shown if line.startswith("PLAY")] == ["PLAY p  (2 hosts)"]
    assert [line for line in lines(Style(), quiet) if line.startswith("PLAY")] == ["PLAY calm  (1 host)"]


def test_that_a_roles_arguments_fit_goes_without_saying(tmp_path: Path) -> None:
    begun = TaskStarted(1.5, "p", "Validating arguments", "t1", "r.yml:1", "validate_argument_spec")
    fits, fails = finished("a", Status.OK), finished("b", Status.FAILED, message="x is missing")
    shown = lines(Style(verbosity=1, everything=False), [begun, fits, fails])
    assert len(shown) == 2 and "x is missing" in shown[1]
    journal = Journal(tmp_path)
    for event in (begun, fits, fails):
        journal(event)
    journal.close()
    assert [path.name for path in (tmp_path / "hosts").iterdir()] == ["b.log"]


def test_why_an_item_failed_is_said_once() -> None:
    failure = finished("b", Status.FAILED, message="no disk")
    told = lines(Style(), [ItemFinished(2.5, "p", "copy it", "t1", "b", "x", failure.result), failure])
    assert [line.split()[0] for line in told] == ["failed", "no", "failed"]


def test_a_censored_result_shows_no_message() -> None:
    hidden: list[Event] = [finished("a", Status.FAILED, message="the password was x", no_log=True)]
    assert not any("password" in line for line in lines(Style(verbosity=3), hidden))


def test_an_ignored_failure_is_called_ignored() -> None:
    assert "ignored" in lines(Style(), [finished("a", Status.FAILED, ignored=True)])[0]


def test_colour_only_when_asked() -> None:
    assert "\x1b" not in "".join(lines(Style()))
    assert "\x1b[33mchanged" in "".join(lines(Style(colour=True)))


def test_a_diff_is_unified() -> None:
    assert unified(Diff("a\n", "b\n", "/etc/x")) == [
        "--- before: /etc/x",
        "+++ after: /etc/x",
        "@@ -1 +1 @@",
        "-a",
        "+b",
    ]


def test_json_holds_every_task_of_every_host() -> None:
    stream = io.StringIO()
    reporter = JsonReporter(stream)
    for event in RUN:
        reporter(event)
    told = json.loads(stream.getvalue())
    hosts = told["plays"][0]["tasks"][0]["hosts"]
    assert (told["exit"], hosts["a"]["status"], hosts["b"]["message"]) == (1, "changed", "disk full\non /var")


def test_junit_keeps_to_its_schema_whatever_a_host_says() -> None:
    stream = io.StringIO()
    reporter = JunitReporter(stream)
    said = TaskResult("b", Status.FAILED, message="\x1b[31mdisk <full>\x00\ud800 汉字\n")
    for event in RUN:
        told = replace(event, result=said) if isinstance(event, HostFinished) and event.host == "b" else event
        reporter(told)
    schema = xmlschema.XMLSchema(REPOSITORY / "docs" / "schemas" / "junit.xsd")
    schema.validate(stream.getvalue())
    assert not schema.is_valid(stream.getvalue().replace('tests="2"', 'tests="two"'))
    suite = ElementTree.fromstring(stream.getvalue())[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    (failure,) = suite[1]
    assert failure.text == "\\x1b[31mdisk <full>\\x00\\ud800 汉字\n"


def test_ndjson_is_one_object_an_event() -> None:
    stream = io.StringIO()
    reporter = NdjsonReporter(stream)
    for event in RUN:
        reporter(event)
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()][:2] == ["RunStarted", "PlayStarted"]


def test_the_journal_remembers_who_failed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "20260101-000000-run")
    for event in RUN:
        journal(event)
    journal.close()
    assert runs(tmp_path) == [journal.folder]
    assert failed_hosts(tmp_path, "site.yml", "inv.yml") == ("b",)
    assert failed_hosts(tmp_path, "site.yml", "other.yml") is None
    assert "failed copy it: disk full" in (journal.folder / "hosts" / "b.log").read_text()


def test_a_killed_run_leaves_a_journal_without_an_exit_code(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "20260101-000000-up")
    journal(RUN[0])
    journal.close()
    assert json.loads((journal.folder / "run.json").read_text())["exit"] is None
    assert failed_hosts(tmp_path, "site.yml", "inv.yml") is None


def test_secrets_are_masked_everywhere_an_event_has_text() -> None:
    stream = io.StringIO()
    emit = fan_out([NdjsonReporter(stream)], Mask(["hunter22"]), Mishaps())
    emit(finished("a", Status.FAILED, message="no hunter22", values={"stdout": ["x hunter22"], "hunter22": 1}))
    assert "hunter22" not in stream.getvalue()
    assert stream.getvalue().count("***") == 3


def test_no_secrets_means_no_copy() -> None:
    event = RUN[0]
    assert Mask()(event) is event
    assert plain({"key": Secret("x")}) == {"key": "***"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "live"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_the_board_needs_a_real_terminal(environ: dict[str, str], live: bool) -> None:
    assert is_live(Terminal(), environ) is live
    assert is_live(io.StringIO(), environ) is False


def one_task(result: TaskResult, module: str = "shell", style: Style | None = None) -> list[str]:
    events: list[Event] = [
        TaskStarted(1.5, "p", "try it", "t1", "site.yml:3", module),
        HostFinished(2.0, "p", "try it", "t1", "a", result),
    ]
    return [line.strip() for line in lines(style or Style(), events)]


def test_a_command_that_failed_is_told_with_its_code_and_the_end_of_what_it_wrote() -> None:
    values = {"rc": 7, "stderr": "ls: no such file\n", "stdout": "\n".join(f"line {n}" for n in range(30))}
    told = one_task(TaskResult("a", Status.FAILED, values, "non-zero return code"))
    assert told[1:4] == ["non-zero return code (7)", "ls: no such file", "line 10"] and told[-1] == "line 29"
    again = one_task(TaskResult("a", Status.FAILED, {"rc": 1, "stderr": "disk full"}, "cannot write\ndisk full"))
    assert again[1:] == ["cannot write (1)", "disk full"], "nothing is said twice"
    assert one_task(TaskResult("a", Status.FAILED, values, "m", no_log=True))[1:] == []


def test_debug_shows_its_variable_as_json() -> None:
    values = {"m": {"a": 1, "b": ["x"]}, "changed": False, "failed": False}
    told = one_task(TaskResult("a", Status.OK, values), "debug")
    assert told[1:] == ["m: {", '"a": 1,', '"b": [', '"x"', "]", "}"]
    assert one_task(TaskResult("a", Status.OK, {"r.rc": 2}), "debug")[1:] == ["r.rc: 2"]
    assert one_task(TaskResult("a", Status.OK, {"msg": ["one"]}), "debug")[1:] == ["[", '"one"', "]"]
    assert one_task(TaskResult("a", Status.OK, values), "setup")[1:] == [], "what others found is for -vv"
    assert one_task(TaskResult("a", Status.OK, {"s": Secret("hush")}), "debug")[1:] == ["s: ***"]


def test_debug_in_a_loop_shows_each_item() -> None:
    result = TaskResult("a", Status.OK, {"msg": "hi", "item": "x"})
    events: list[Event] = [
        TaskStarted(1.5, "p", "show", "t1", "site.yml:3", "debug"),
        ItemFinished(2.0, "p", "show", "t1", "a", "x", result),
    ]
    assert [line.split() for line in lines(Style(), events)] == [["ok", "a", "item", "x"], ["hi"]]
    assert lines(Style(quiet=True, everything=False), events) == []
