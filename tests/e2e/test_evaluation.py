"""bench and eval against the lab: real requests, stored, gone on with, compared, judged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from workplace import CANARY, REPOSITORY, Workplace

from qcluster.lab.tools.bench import questions

LAB = "lab-1p1d.yaml"
SCHEMA = json.loads((REPOSITORY / "docs" / "schemas" / "evaluation.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def place(shared_place: Workplace) -> Workplace:
    """A deployment with one engine a role, which wants an API key."""
    small = f"dp: 1\n    npus: 2\n    api_key: {CANARY}"
    shared_place.inventory(LAB, lambda text: text.replace("dp: 8", small))
    shared_place.write("lab/pace", "0.3")
    ran = shared_place.run("up", LAB, "--skip-network", "-q")
    assert ran.exit == 0, ran.text
    for split in ("train", "test"):
        rows = "".join(json.dumps(row) + "\n" for row in questions.hub(split))
        shared_place.write(f"gsm8k/{split}.jsonl", rows)
    return shared_place


def results(place: Workplace) -> list[Path]:
    return sorted((place.folder / ".qcluster" / "results").glob("*/request.json"))


def newest(place: Workplace) -> dict[str, Any]:
    found = json.loads((results(place)[-1].parent / "result.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, SCHEMA)
    assert isinstance(found, dict)
    return found


def sweep(*more: str) -> tuple[str, ...]:
    return ("bench", "serve", "-n", "8", "--output-len", "4", "--max-regression", "100", *more)


def test_a_sweep_is_measured_stored_and_shown(place: Workplace) -> None:
    ran = place.run(*sweep("-c", "1,4", "--html", "page.html", "-vvv"))
    assert ran.exit == 0, ran.text
    assert CANARY not in ran.text
    assert "-n 8 is too few to measure every level (4 for each at once): 16 with 4 at once are sent" in ran.err
    assert [line.split()[:3] for line in ran.out.splitlines()[3:5]] == [
        ["concurrency-1", "8", "0"],
        ["concurrency-4", "16", "0"],
    ]
    found = newest(place)
    one, four = (point["load"] for point in found["points"])
    assert found["complete"] and (one["output_tokens"], four["output_tokens"]) == (32, 64)
    assert one["ttft"]["median"] > 20 and four["output_throughput"] > 0
    assert "this run" in (place.folder / "page.html").read_text(encoding="utf-8")


def test_the_key_is_in_no_file_that_stays(place: Workplace) -> None:
    kept = [path for path in (place.folder / ".qcluster").rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if CANARY in path.read_text(encoding="utf-8", errors="replace")]
    home = place.folder / "lab" / "hosts" / "p1" / "home" / ".local/state/qcluster/lab-1p1d/evaluation"
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_a_killed_sweep_goes_on_with_the_points_that_are_missing(place: Workplace) -> None:
    words = sweep("-c", "1,2,3", "--new")
    env = {**os.environ, "QCLUSTER_LAB_DIR": str(place.folder / "lab"), "NO_COLOR": "1"}
    before = len(results(place))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-m", "qcluster", *words], cwd=place.folder, env=env, **quiet) as running:
        deadline = time.monotonic() + 60
        while len(results(place)) == before or not list(results(place)[-1].parent.glob("points/*1.json")):
            assert time.monotonic() < deadline and running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    folder = results(place)[-1].parent
    first = (folder / "points" / "concurrency-1.json").read_bytes()
    assert not (folder / "result.json").exists()
    ran = place.run(*words[:-1], "--json")
    assert ran.exit == 0, ran.text
    assert json.loads(ran.out)["against"] != ""
    assert f"going on with {folder.name}: " in ran.err
    assert results(place)[-1].parent == folder
    assert len(newest(place)["points"]) == 3
    assert (folder / "points" / "concurrency-1.json").read_bytes() == first


def test_aisbench_reaches_the_published_score_and_garbage_does_not(place: Workplace) -> None:
    words = ("eval", "--tool", "aisbench", "--dataset", "gsm8k", "--samples", "60")
    ran = place.run(*words)
    assert ran.exit == 0, ran.text
    assert "96.67 is within the margin of the reference 96.74" in ran.out
    fault = place.write("lab/faults/garbage/d1", "")
    ran = place.run(*words)
    fault.unlink()
    assert ran.exit == 4, ran.text
    assert "accuracy 0.00 is below the reference 96.74" in ran.err


def test_aisbench_measures_load_too(place: Workplace) -> None:
    ran = place.run("bench", "serve", "--tool", "aisbench", "-c", "4", "-n", "8")
    assert ran.exit == 0, ran.text
    assert newest(place)["points"][0]["load"]["completed"] == 8


def test_the_harness_on_the_controller(place: Workplace) -> None:
    """The tools of the simulated image stand in for what an operator has installed."""
    path = f"{place.folder / 'lab' / 'image'}:{os.environ['PATH']}"
    weights = next((place.folder / "lab" / "hosts" / "p1").rglob("config.json")).parent
    words = ("eval", "--on", "controller", "--tokenizer", str(weights), "--dataset", "gsm8k", "--samples", "60")
    ran = place.run(*words, PATH=path, QCLUSTER_LAB_ROOT=str(place.folder / "lab" / "hosts" / "p1"))
    assert ran.exit == 0, ran.text
    assert [round(score["value"], 2) for score in newest(place)["points"][0]["scores"]] == [96.67, 96.67]
    ran = place.run(*words)
    assert ran.exit == 1, ran.text
    assert "there is no lm_eval here" in ran.err and "--install" in ran.err
    assert "Judge" not in ran.err and "d1 : ok" in ran.err and ran.err.count("failed=1") == 1, "only p1 is to blame"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("bench", "serve", "-c", "1,x"), "--concurrency 1,x"),
        (("bench", "latency", "--on", "controller"), "it runs on a host"),
        (("eval", "--dataset", "nowhere"), "train.jsonl and test.jsonl not there"),
        (("bench", "show", "2019"), "no single result"),
    ],
)
def test_mistakes_are_told_before_a_host_is_asked(place: Workplace, words: tuple[str, ...], told: str) -> None:
    before = len(results(place))
    ran = place.run(*words)
    assert (ran.exit, len(results(place))) == (2, before), ran.text
    assert told in ran.err


def test_an_engine_without_a_server_waits_for_free_npus(place: Workplace) -> None:
    words = ("bench", "latency", "--num-iters", "5", "--output-len", "8")
    before = len(results(place))
    ran = place.run(*words)
    assert (ran.exit, len(results(place))) == (2, before), ran.text
    assert "stop it first (qcluster down)" in ran.err
    assert place.run("down", LAB, "--yes", "-q").exit == 0
    for online in (("bench", "serve"), ("eval", "--samples", "4")):
        refused = place.run(*online)
        assert refused.exit == 2, refused.text
        assert "does not run on p1" in refused.err and "`qcluster up`" in refused.err
        assert "Judge" not in refused.text
    ran = place.run(*words)
    assert ran.exit == 0, ran.text
    assert newest(place)["points"][0]["offline"]["latency"] > 0
    listed = place.run("bench", "results").out.splitlines()
    assert len(listed) == len(results(place)) and "vllm latency" in listed[-1]
