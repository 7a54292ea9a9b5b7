"""The main job, as an operator does it: plan, up, up again, status, logs, verify-network, down."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from workplace import CANARY, REPOSITORY, Workplace

LAB = "lab-1p1d.yaml"


@pytest.fixture(scope="module")
def place(shared_place: Workplace) -> Workplace:
    """Two lab hosts with two replicas each, so that a start is quick; an API key that must stay secret."""
    shared_place.inventory(LAB, lambda text: text.replace("dp: 8", f"dp: 2\n    npus: 4\n    api_key: {CANARY}"))
    return shared_place


def journal(place: Workplace) -> str:
    return "".join(path.read_text() for path in sorted((place.folder / ".qcluster").rglob("*")) if path.is_file())


def test_the_plan_needs_no_host(place: Workplace) -> None:
    ran = place.run("plan", LAB, "--json")
    assert ran.exit == 0, ran.text
    plan = ran.json()
    assert [one["name"] for one in plan["instances"]] == ["p1-prefill-0", "p1-prefill-1", "d1-decode-0", "d1-decode-1"]
    assert all(
        one["argv"][:2] == ["vllm", "serve"] and "--data-parallel-size" not in one["argv"] for one in plan["instances"]
    )
    assert plan["proxy"]["port"] == 1999
    assert not (place.folder / "lab").exists()


def test_up_starts_watches_and_proves(place: Workplace) -> None:
    ran = place.run("up", LAB, "--yes")
    assert ran.exit == 0, ran.text
    assert "p1-prefill-0: complete" in ran.err
    assert "4 of 4 instances have served" in ran.err
    assert re.search(r"^http://[\d.]+:1999/v1 serves qwen3\.5 \(4 instances\), [\d.]+ s$", ran.out, re.MULTILINE)


def test_status_without_a_name_takes_the_inventory_last_used(place: Workplace) -> None:
    ran = place.run("status", "--json")
    assert ran.exit == 0, ran.text
    rows = ran.json()["instances"]
    assert {row["health"] for row in rows} == {"ok"}
    jsonschema.validate(ran.json(), json.loads((REPOSITORY / "docs" / "schemas" / "status.json").read_text()))
    loads = [row["load"] for row in rows if row["role"] != "proxy"]
    assert all(load["finished"] >= 1 and load["running"] == 0 and load["ttft_ms"] > 0 for load in loads)
    assert all(row["hbm_used_mb"] > 100_000 for row in rows if row["npus"])
    assert [row["npus"] for row in rows if row["host"] == "p1"] == [[0, 1], [2, 3], []]


def test_up_again_changes_nothing(place: Workplace) -> None:
    ran = place.run("up", "-o", "json")
    assert ran.exit == 0, ran.text
    assert {tally["changed"] for tally in ran.json()["recap"].values()} == {0}


def test_a_check_of_what_runs_changes_nothing(place: Workplace) -> None:
    ran = place.run("up", "--check", "-o", "json")
    assert ran.exit == 0 and ran.err.endswith("check mode: nothing was changed\n"), ran.text
    assert {tally["changed"] for tally in ran.json()["recap"].values()} == {0}


def test_logs_shows_how_an_instance_started(place: Workplace) -> None:
    ran = place.run("logs", "d1-decode-1")
    assert ran.exit == 0, ran.text
    assert "Application startup complete." in ran.out
    unknown = place.run("logs", "d1-decode-9")
    assert unknown.exit == 2
    assert "p1-prefill-0" in unknown.err


def test_verify_network_passes_on_a_sound_fabric(place: Workplace) -> None:
    ran = place.run("verify-network", "--json")
    assert ran.exit == 0, ran.text
    report = ran.json()
    assert report["verdict"] == "pass"
    assert report["probes"]["planned"] == report["probes"]["passed"] > 0


def test_the_key_of_the_api_is_needed_and_never_shown(place: Workplace) -> None:
    ran = place.run("smoke", "--html", "smoke.html")
    assert ran.exit == 0, ran.text
    assert f"report: {place.folder / 'smoke.html'}" in ran.err
    assert CANARY not in (place.folder / "smoke.html").read_text()
    for verbosity in ("-v", "-vvv"):
        ran = place.run("up", verbosity, "--diff")
        assert ran.exit == 0, ran.text
        assert ran.out.startswith("nothing changed; http://"), ran.out
        assert "4 instances and the proxy answer as before" in ran.err
        assert CANARY not in ran.text
    assert CANARY not in place.run("plan", "--json").text
    compared = place.run("plan", "--diff", "--json")
    assert compared.exit == 0 and {one["state"] for one in compared.json()} == {"same"}, compared.text
    assert CANARY not in journal(place)


def test_the_report_of_a_run_is_one_page(place: Workplace) -> None:
    ran = place.run("report", "last", "--html", "run.html")
    assert ran.exit == 0, ran.text
    page = (place.folder / "run.html").read_text()
    assert "<svg" in page
    assert CANARY not in page


def test_down_stops_everything_and_frees_the_npus(place: Workplace) -> None:
    refused = place.run("down")
    assert refused.exit != 0, "without --yes and without a terminal nothing may be stopped"
    assert place.run("status").exit == 0
    ran = place.run("down", "--yes")
    assert ran.exit == 0, ran.text
    assert re.search(r"^lab-1p1d: stopped, NPUs free, [\d.]+ s$", ran.out, re.MULTILINE)
    assert {row["state"] for row in place.run("status", "--json").json()["instances"]} == {"absent"}
    again = place.run("down", "--yes", "-o", "json")
    assert {tally["changed"] for tally in again.json()["recap"].values()} == {0}


def test_the_runs_are_remembered(place: Workplace) -> None:
    verbs = [row["verb"] for row in place.run("runs", "--json").json()]
    assert verbs[0] == "up"
    assert verbs.count("down") == 2
    shown = place.run("runs", "show", "last", "--commands")
    assert shown.exit == 0
    assert "exit 0 in" in shown.out


@pytest.mark.parametrize("name", sorted(path.name for path in (REPOSITORY / "inventories").glob("*.yaml")))
def test_every_example_has_a_plan(name: str, tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    ran = place.run("plan", REPOSITORY / "inventories" / name, "--json")
    assert ran.exit == 0, ran.text
    assert json.loads(ran.out)["instances"]
