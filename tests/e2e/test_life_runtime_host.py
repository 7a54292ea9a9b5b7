"""`container_runtime: host` in the lab: installed from source, watched, killed at every place, gone after down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from workplace import Ran, Workplace

INVENTORY = """\
all:
  vars:
    ansible_connection: lab
    deployment: native
    container_runtime: host
    model: Qwen3.5-27B-w8a8
    hardware: a3
    npus: 4
    tp: 2
    dp: 2
  children:
    prefill: {hosts: {p1: {}}}
    decode: {hosts: {d1: {}}}
"""
NAME = "native.yaml"


@pytest.fixture(scope="module")
def place(shared_place: Workplace) -> Workplace:
    shared_place.write(NAME, INVENTORY)
    assert shared_place.run("lab", "start", NAME).exit == 0
    return shared_place


def home(place: Workplace, host: str) -> Path:
    return place.folder / "lab" / "hosts" / host / "home"


def run_file(place: Workplace, host: str, name: str) -> Path:
    return home(place, host) / ".local/state/qcluster/native/qcluster-native/run" / name


def group(place: Workplace, name: str) -> int:
    return int(run_file(place, name[:2], f"{name}.pid").read_text())


def up(place: Workplace, *words: str) -> Ran:
    ran = place.run("up", NAME, "--yes", "--skip-network", *words)
    assert ran.exit == 0, ran.text
    return ran


def running(place: Workplace, host: str) -> str:
    """The command line of the entry script that runs."""
    pid = run_file(place, host, "entry.pid").read_text().strip()
    return Path("/proc", pid, "cmdline").read_text()


def left(place: Workplace) -> list[str]:
    """What runs of the engines and proxies on the lab's hosts, whatever its title."""
    told = subprocess.run(["ps", "-eo", "pgid=,args="], capture_output=True, text=True).stdout.splitlines()
    return [row for row in told if "/bin/vllm serve" in row and str(place.folder) in row]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it does not become true"
        time.sleep(0.05)


def test_up_installs_from_source_as_the_documentation_says_and_serves(place: Workplace) -> None:
    ran = up(place)
    assert "serves qwen3.5 (4 instances)" in ran.text
    for host in ("p1", "d1"):
        assert (home(place, host) / "vllm-ascend/.git/tag").read_text() == "v0.23.0\n"
        shown = place.run("exec", "-i", NAME, host, "--", "python3", "-m", "pip", "show", "vllm-ascend")
        assert "Version: 0.23.0" in shown.out
    again = up(place, "-o", "json")
    assert {tally["changed"] for tally in again.json()["recap"].values()} == {0}
    assert place.run("doctor", NAME).exit == 0


def test_another_version_on_a_host_stops_up_before_anything_is_touched(place: Workplace) -> None:
    before = group(place, "d1-decode-0")
    ran = place.run("up", NAME, "--yes", "--skip-network", "-e", "release=v0.22.1rc1")
    assert ran.exit == 1
    assert "vllm-ascend is at v0.23.0, wanted is v0.22.1rc1" in ran.text
    assert group(place, "d1-decode-0") == before


def test_a_plan_that_fails_gives_its_place_back_to_the_one_before(place: Workplace) -> None:
    scripts = running(place, "p1"), running(place, "d1")
    place.write(NAME, INVENTORY.replace("dp: 2", "dp: 2\n    vllm_args: {max-num-seqs: 7}"))
    place.run("lab", "fault", "-i", NAME, "engine-dies", "p1", "oom once")
    ran = place.run("up", NAME, "--yes", "--skip-network")
    place.run("lab", "fault", "-i", NAME, "--clear")
    place.write(NAME, INVENTORY)
    assert ran.exit == 1, ran.text
    assert "what ran before was started again and serves (proven)" in ran.err
    assert (running(place, "p1"), running(place, "d1")) == scripts


def test_an_entry_script_killed_under_its_engines_is_told_and_mended(place: Workplace) -> None:
    lost, other = group(place, "d1-decode-0"), group(place, "p1-prefill-0")
    os.kill(int(run_file(place, "d1", "entry.pid").read_text()), signal.SIGKILL)
    told = place.run("doctor", NAME)
    assert told.exit == 1 and "d1: the engines of qcluster-native run, and the script" in told.out
    up(place)
    assert group(place, "d1-decode-0") != lost and group(place, "p1-prefill-0") == other
    assert not any(row.split()[0] == str(lost) for row in left(place))


def test_a_dead_engine_is_started_again_alone_and_restart_takes_one(place: Workplace) -> None:
    dead, other = group(place, "d1-decode-1"), group(place, "d1-decode-0")
    os.killpg(dead, signal.SIGKILL)
    until(lambda: run_file(place, "d1", "d1-decode-1.exit").exists())
    up(place)
    assert group(place, "d1-decode-1") != dead and group(place, "d1-decode-0") == other
    ran = place.run("restart", "d1-decode-0", "-i", NAME, "--yes")
    assert ran.exit == 0, ran.text
    assert group(place, "d1-decode-0") != other


def test_up_killed_while_engines_start_goes_on_and_down_leaves_nothing(place: Workplace) -> None:
    assert place.run("down", NAME, "--yes").exit == 0
    assert left(place) == []
    env = {**os.environ, "QCLUSTER_LAB_DIR": str(place.folder / "lab"), "NO_COLOR": "1"}
    words = [sys.executable, "-m", "qcluster", "up", NAME, "--yes", "--skip-network"]
    with subprocess.Popen(
        words, cwd=place.folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as one:
        until(run_file(place, "d1", "entry.pid").exists)
        one.kill()
    up(place)
    os.kill(int(run_file(place, "p1", "entry.pid").read_text()), signal.SIGKILL)
    ran = place.run("down", NAME, "--yes", "-o", "json")
    assert ran.exit == 0, ran.text
    assert left(place) == []
    again = place.run("down", NAME, "--yes", "-o", "json")
    assert {tally["changed"] for tally in json.loads(again.out)["recap"].values()} == {0}
