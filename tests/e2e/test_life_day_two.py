"""A deployment that serves: restarted under load, killed at the wrong moment, diagnosed, locked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from workplace import Workplace

LAB = "lab-1p1d.yaml"


@pytest.fixture(scope="module")
def place(shared_place: Workplace) -> Workplace:
    shared_place.inventory(LAB, lambda text: text.replace("dp: 8", "dp: 2\n    npus: 4"))
    assert shared_place.run("lab", "start", LAB).exit == 0
    return shared_place


def address(place: Workplace, host: str) -> str:
    hosts = json.loads((place.folder / "lab" / "lab.json").read_text())["hosts"]
    return str(hosts[host]["address"])


def started(place: Workplace, *words: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, "QCLUSTER_LAB_DIR": str(place.folder / "lab"), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "qcluster", *words]
    return subprocess.Popen(command, cwd=place.folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def test_up_killed_while_engines_start_goes_on_from_the_hosts(place: Workplace) -> None:
    running = started(place, "up", LAB, "--skip-network")
    home = place.folder / "lab" / "hosts" / "d1" / "home" / ".local/state/qcluster/lab-1p1d"
    wait_for(home / "qcluster-lab-1p1d" / "run" / "entry.pid")
    running.send_signal(signal.SIGKILL)
    running.wait()
    ran = place.run("up", LAB, "--skip-network", "-o", "json")
    assert ran.exit == 0, ran.text
    again = place.run("up", LAB, "--skip-network", "-o", "json")
    assert {tally["changed"] for tally in again.json()["recap"].values()} == {0}


def test_ctrl_c_detaches_and_says_how_to_go_on(place: Workplace) -> None:
    assert place.run("down", LAB, "--yes").exit == 0
    env = {**os.environ, "QCLUSTER_LAB_DIR": str(place.folder / "lab"), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "qcluster", "up", LAB, "--skip-network"]
    with subprocess.Popen(command, cwd=place.folder, env=env, stderr=subprocess.PIPE, text=True) as running:
        home = place.folder / "lab" / "hosts" / "d1" / "home" / ".local/state/qcluster/lab-1p1d"
        wait_for(home / "qcluster-lab-1p1d" / "run" / "entry.pid")
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert f"qcluster up {LAB}" in told and "Detached" in told
    assert not (home / "lock").exists()
    ran = place.run("up", LAB, "--skip-network", "-o", "json")
    assert ran.exit == 0, ran.text


def test_a_lock_that_somebody_else_holds_is_respected(place: Workplace) -> None:
    folder = place.folder / "lab" / "hosts" / "p1" / "home" / ".local/state/qcluster/lab-1p1d" / "lock"
    folder.mkdir(exist_ok=True)
    (folder / "owner").write_text(json.dumps({"who": "eve", "where": "elsewhere", "pid": 7, "what": "up"}))
    ran = place.run("down", LAB, "--yes")
    assert ran.exit == 1, ran.text
    assert "p1: locked by eve@elsewhere" in ran.err
    assert place.run("status", LAB).exit == 0
    ran = place.run("up", LAB, "--skip-network", "-e", "qcluster_break_lock=true")
    assert ran.exit == 0, ran.text
    assert not folder.exists()


def test_a_restart_under_load_loses_no_request(place: Workplace) -> None:
    url = f"http://{address(place, 'p1')}:1999/v1/completions"
    body = json.dumps({"model": "qwen3.5", "prompt": "2 + 2 =", "max_tokens": 8}).encode()
    over, answers, errors = threading.Event(), [], []

    def ask() -> None:
        while not over.is_set():
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    answers.append(json.loads(answer.read())["choices"][0]["text"])
            except Exception as error:
                errors.append(repr(error))
            time.sleep(0.05)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    ran = place.run("restart", "decode", "-i", LAB)
    over.set()
    for thread in threads:
        thread.join()
    assert ran.exit == 0, ran.text
    assert errors == []
    assert len(answers) > 10 and all(answers)


def test_restart_refuses_a_name_that_nobody_has(place: Workplace) -> None:
    ran = place.run("restart", "nobody", "-i", LAB)
    assert ran.exit == 2
    assert "p1-prefill-0" in ran.err


def test_restart_proxy_starts_a_new_one_once_somebody_has_agreed(place: Workplace) -> None:
    asked = place.run("restart", "proxy", "-i", LAB)
    assert asked.exit == 2 and "those that run are cut off" in asked.err and "--yes" in asked.err, asked.text
    before = {row["instance"]: row for row in place.run("status", LAB, "--json").json()["instances"]}
    ran = place.run("restart", "proxy", "-i", LAB, "--yes", "-o", "json")
    assert ran.exit == 0, ran.text
    after = {row["instance"]: row for row in place.run("status", LAB, "--json").json()["instances"]}
    assert after["proxy"]["age"] < before["proxy"]["age"] and after["proxy"]["health"] == "ok"
    assert all(after[name]["age"] >= before[name]["age"] for name in before if name != "proxy"), "engines go on"
    listed = place.run("exec", after["proxy"]["host"], "-i", LAB, "--", "docker", "ps", "-a")
    assert listed.exit == 0 and "-previous" not in listed.text, listed.text


def test_doctor_finds_nothing_in_a_sound_deployment(place: Workplace) -> None:
    ran = place.run("doctor", LAB)
    assert ran.exit == 0, ran.text
    assert ran.out == "nothing known is wrong in these logs\n"


def test_doctor_reads_a_file(place: Workplace) -> None:
    log = place.write(
        "engine.log", "INFO fine\nzmq.error.ZMQError: Address already in use (addr='tcp://10.0.0.1:36000')\n"
    )
    ran = place.run("doctor", "--log", log, "--json")
    assert ran.exit == 1, ran.text
    assert [one["id"] for one in ran.json()["diagnoses"]] == ["kv-port-in-use"]


def test_doctor_names_the_cause_on_the_host_where_it_is(place: Workplace) -> None:
    place.run("lab", "fault", "-i", LAB, "engine-dies", "d1:7101")
    place.run("restart", "d1-decode-1", "-i", LAB)
    ran = place.run("doctor", LAB, "--json")
    assert ran.exit == 1, ran.text
    first = ran.json()["diagnoses"][0]
    assert first["kind"] == "cause"
    assert {sight["name"] for sight in first["seen"]} == {"d1-decode-1"}
    place.run("lab", "fault", "--clear", "-i", LAB)


def test_up_heals_the_one_that_died(place: Workplace) -> None:
    ran = place.run("up", LAB, "--skip-network", "-o", "json")
    assert ran.exit == 0, ran.text
    assert {host: tally["changed"] for host, tally in ran.json()["recap"].items()} == {"p1": 1, "d1": 1}, (
        "the proxy gets it back"
    )
