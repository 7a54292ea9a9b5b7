"""`qcluster runs`: earlier runs listed and told; `--rerun-failed` chooses by them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import report_stand
from click.testing import CliRunner

from qcluster.cli.report import report
from qcluster.cli.rerun import failed_before
from qcluster.cli.runs import runs
from qcluster.errors import InputError
from qcluster.events import CommandRan, HostTally, RunFinished
from qcluster.inventory import load
from qcluster.report.journal import Journal
from qcluster.report.schemas import all_schemas
from qcluster.serving import make_plan
from qcluster.serving.plan import as_json

RUNS = Path(".qcluster") / "runs"
SCHEMAS = all_schemas()
PLAN = as_json(make_plan(load(Path(__file__).parents[2] / "inventories" / "1p1d.yaml")))


@pytest.fixture(autouse=True)
def two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, dies in (("20260101-000000-up", False), ("20260102-000000-up", True)):
        journal = Journal(RUNS / name)
        journal.save_plan(PLAN)
        for event in report_stand.up(dies=dies):
            journal(event)
        journal.close()


def told(*args: str) -> str:
    ran = CliRunner().invoke(runs, list(args))
    assert ran.exit_code == 0, ran.output + repr(ran.exception)
    return ran.output


def test_the_list_has_a_line_a_run_newest_last() -> None:
    first, second = told().splitlines()
    assert first.startswith("20260101-000000-up") and "exit 0" in first
    assert second.startswith("20260102-000000-up") and "exit 1" in second


def test_what_is_printed_for_machines_keeps_to_its_schema() -> None:
    listed = json.loads(told("--json"))
    jsonschema.validate(listed, SCHEMAS["runs.json"])
    assert listed[0]["timings"]["milestones"]["complete"] == 13.0
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([{**listed[0], "exit": "0"}], SCHEMAS["runs.json"])
    jsonschema.validate(json.loads(told("show", "last", "--json")), SCHEMAS["run.json"])


def test_every_line_of_a_journal_keeps_to_its_schema() -> None:
    judge = jsonschema.Draft202012Validator(SCHEMAS["events.json"])
    lines = [line for path in RUNS.glob("*/events.ndjson") for line in path.read_text().splitlines()]
    assert len(lines) > 60
    assert [error for line in lines for error in judge.iter_errors(json.loads(line))] == []


@pytest.mark.parametrize("words", [("last",), ("show",), ("show", "last"), ("show", "20260102")])
def test_the_newest_run_is_told_by_each_of_its_names(words: tuple[str, ...]) -> None:
    text = told(*words)
    assert text.startswith("20260102-000000-up")
    assert "failed engine : engine_watch: node-1-0" not in text
    assert "HBM <is> exhausted" in text


def test_one_host_and_its_commands_with_their_scripts() -> None:
    text = told("show", "--host", "node-1", "--commands", "--scripts")
    assert "exit 0 in 0.500 s  sh -s -- 'a b'" in text
    assert '| echo "$1" <&0' in text
    assert "node-0" not in text
    assert "|" not in told("show", "--commands")


@pytest.mark.parametrize("words", [("show", "2026"), ("show", "no-such"), ("show", "--host", "node-9")])
def test_a_name_that_fits_no_run_or_host_is_an_error_with_those_that_do(words: tuple[str, ...]) -> None:
    ran = CliRunner().invoke(runs, list(words))
    assert isinstance(ran.exception, InputError)
    assert "there are: " in str(ran.exception)


def test_a_report_is_named_after_its_run_and_replaces_only_reports() -> None:
    ran = CliRunner().invoke(report, ["20260101"])
    assert ran.output == f"report: {Path('report-20260101-000000-up.html').resolve()}\n", ran.exception
    assert "<svg" in Path("report-20260101-000000-up.html").read_text()
    Path("mine.html").write_text("mine")
    ran = CliRunner().invoke(report, ["last", "--html", "mine.html"])
    assert isinstance(ran.exception, InputError)
    assert Path("mine.html").read_text() == "mine"


def test_a_journal_of_another_version_is_told_as_far_as_it_goes() -> None:
    folder = RUNS / "20260102-000000-up"
    (folder / "plan.json").write_text('{"deployment": "demo"}')
    ran = CliRunner().invoke(report, [])
    assert "written by another version" in ran.output
    assert "<svg" not in Path("report-20260102-000000-up.html").read_text()
    with (folder / "events.ndjson").open("a") as stream:
        stream.write('{"event": "Later", "at": 1.0}\n')
    assert isinstance(CliRunner().invoke(report, []).exception, InputError)


def test_only_who_failed_is_run_again() -> None:
    assert failed_before(RUNS, "up.yaml", "i.yaml", "") == "node-0"
    journal = Journal(RUNS / "20260103-000000-up")
    for event in (*report_stand.up()[:-1], RunFinished(9.0, 0, {"node-0": HostTally(ok=1)}, 1.0)):
        journal(event)
    journal.close()
    with pytest.raises(InputError, match="no host failed"):
        failed_before(RUNS, "up.yaml", "i.yaml", "")


@pytest.mark.parametrize(("inventory", "limit"), [("other.yaml", ""), ("i.yaml", "node-1")])
def test_it_is_never_every_host(inventory: str, limit: str) -> None:
    with pytest.raises(InputError, match="--rerun-failed"):
        failed_before(RUNS, "up.yaml", inventory, limit)


def test_what_concerns_no_single_host_has_a_log_of_its_own() -> None:
    journal = Journal(RUNS / "20260104-000000-up")
    journal(CommandRan(1.0, "", "x", 0, 0.1))
    journal(CommandRan(1.0, "../b", "x", 0, 0.1))
    journal.close()
    assert sorted(path.name for path in (journal.folder / "hosts").iterdir()) == [".._b.log", "all.log"]
