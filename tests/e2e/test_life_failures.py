"""What goes wrong while a deployment comes up, and what the operator is told: lab hosts with faults."""

from __future__ import annotations

import os
import re
import signal

import pytest
from workplace import Workplace

LAB = "lab-1p1d.yaml"


def small(text: str) -> str:
    return text.replace("dp: 8", "dp: 2\n    npus: 4")


@pytest.fixture(scope="module")
def place(shared_place: Workplace) -> Workplace:
    shared_place.inventory(LAB, small)
    assert shared_place.run("lab", "start", LAB).exit == 0
    return shared_place


@pytest.fixture(autouse=True)
def mended(place: Workplace) -> None:
    place.run("lab", "fault", "--clear", "-i", LAB)


def failed(text: str) -> dict[str, int]:
    """How often each host failed, by the recap."""
    return {host: int(times) for host, times in re.findall(r"^(\w+) +: .*\bfailed=(\d+)", text, re.MULTILINE)}


def broken(place: Workplace, *words: str) -> None:
    ran = place.run("lab", "fault", "-i", LAB, *words)
    assert ran.exit == 0, ran.text


def test_a_busy_npu_stops_up_before_anything_is_changed(place: Workplace) -> None:
    broken(place, "npu-busy", "p1", "2")
    ran = place.run("up", LAB, "--skip-network")
    assert ran.exit == 1, ran.text
    assert "NPU 2" in ran.err
    assert "changed=1" not in ran.text


def test_an_image_that_no_registry_has_is_named_with_every_source(place: Workplace) -> None:
    broken(place, "image-missing", "all")
    ran = place.run("up", LAB, "--skip-network")
    assert ran.exit == 1, ran.text
    assert "none of 3 sources gave it: the registry has no such tag" in ran.err


def test_the_first_registry_is_down_and_a_mirror_serves(place: Workplace) -> None:
    broken(place, "registry-down", "quay.io")
    broken(place, "engine-dies", "d1:7100", "zmq")
    broken(place, "engine-dies", "p1:7100", "zmq")
    ran = place.run("up", LAB, "--skip-network")
    assert ran.exit == 1, ran.text
    assert "got m.daocloud.io/quay.io/ascend/vllm-ascend" in ran.err
    assert failed(ran.err) == {"p1": 1, "d1": 1}, "both lost an engine, though one host watched for all"


def test_every_host_on_which_the_engines_cannot_be_started_fails_and_is_run_again(place: Workplace) -> None:
    homes = [place.folder / f"lab/hosts/{host}/home/.local/state/qcluster/lab-1p1d" for host in ("p1", "d1")]
    for home in homes:
        (home / "qcluster-lab-1p1d").rename(home / "aside")
        (home / "qcluster-lab-1p1d").write_text("a file where the scripts have to go")
    ran = place.run("up", LAB, "--skip-network")
    for home in homes:
        (home / "qcluster-lab-1p1d").unlink()
        (home / "aside").rename(home / "qcluster-lab-1p1d")
    assert ran.exit == 1, ran.text
    assert failed(ran.err) == {"p1": 1, "d1": 1}, ran.text
    broken(place, "docker-down", "p1")
    again = place.run("up", LAB, "--skip-network", "--rerun-failed")
    assert "again: p1, d1 (failed)" in again.err
    assert failed(again.err) == {"p1": 1, "d1": 0}, again.text


def test_an_engine_that_dies_while_starting_is_the_cause_and_its_siblings_are_not(place: Workplace) -> None:
    broken(place, "engine-dies", "d1:7100")
    ran = place.run("up", LAB, "--skip-network")
    assert ran.exit == 1, ran.text
    assert re.search(r"d1-decode-0 on d1 ended with exit code \d+", ran.err)
    assert "its last lines:" in ran.err
    for sibling in ("p1-prefill-0", "p1-prefill-1", "d1-decode-1"):
        assert f"not the cause: {sibling}" in ran.err
    assert failed(ran.err) == {"p1": 0, "d1": 1}, "the host of the engine that died, not the one that watched"


def test_an_engine_that_hangs_is_told_with_its_place_and_started_again_by_restart(place: Workplace) -> None:
    broken(place, "engine-stalls", "d1:7100", "capture")
    ran = place.run("up", LAB, "--skip-network", "-e", "engine_watch_timeout=8", "-e", "engine_stall_after=3")
    assert ran.exit == 1, ran.text
    stall = r"d1-decode-0: no progress for \d+ s after `[^`]+`, where 3 s are enough: (graph capture|profiling) \S"
    assert re.search(stall, ran.err), ran.text
    assert re.search(r"d1-decode-0.*: nothing since `[^`]+`: \S", ran.err), ran.text
    assert re.search(r"is started again by `qcluster restart .*d1-decode-0", ran.err)
    place.run("lab", "fault", "--clear", "-i", LAB)
    again = place.run("restart", "-i", LAB, "d1-decode-0", "--yes")
    assert "d1-decode-0: complete" in again.err, again.text
    assert "the proxy on p1 is not there" in again.err, "it never came that far"


def test_up_goes_on_from_there_and_then_serves(place: Workplace) -> None:
    ran = place.run("up", LAB, "--skip-network", "--rerun-failed", "-o", "json")
    assert ran.exit == 0, ran.text
    assert "again: d1 (failed); p1 (not all runs there, since the others failed)" in ran.err
    again = place.run("up", LAB, "--skip-network", "-o", "json")
    assert again.exit == 0, again.text
    assert {tally["changed"] for tally in again.json()["recap"].values()} == {0}


def test_garbage_with_http_200_is_exit_code_4(place: Workplace) -> None:
    broken(place, "garbage", "d1")
    up = place.run("up", LAB, "--skip-network")
    assert up.exit == 4, "nothing changed, but what is said makes no sense: " + up.text
    ran = place.run("smoke", LAB)
    assert ran.exit == 4, ran.text
    assert "wrong also when asked directly: d1-decode-0 on d1, d1-decode-1 on d1. Likely cause: /etc/hcc" in ran.err


def test_doctor_reads_in_canns_log_why_the_text_was_wrong(place: Workplace) -> None:
    assert place.run("doctor", LAB).exit == 1, "the last proof failed"
    broken(place, "hccn-conf-missing", "d1")
    assert place.run("smoke", LAB).exit == 4
    status = place.run("status", LAB)
    assert status.exit == 4 and "healthy; last proof FAILED" in status.out, status.text
    found = place.run("doctor", LAB, "--json").json()
    assert found["diagnoses"][0]["id"] == "device-ip-missing"
    assert {sight["host"] for sight in found["diagnoses"][0]["seen"]} == {"d1"}
    assert "(smoke)" in found["proof"]


def test_a_dead_engine_behind_the_proxy_is_exit_code_4(place: Workplace) -> None:
    broken(place, "engine-sick", "p1:7101")
    ran = place.run("smoke", LAB)
    assert ran.exit == 4, ran.text
    assert "p1-prefill-1: /health says 503" in ran.err


def test_an_engine_that_hangs_is_named_though_its_health_is_200(place: Workplace) -> None:
    broken(place, "engine-hangs", "p1-prefill-1")
    ran = place.run("smoke", LAB, "-e", "health_first=3")
    assert ran.exit == 4, ran.text
    assert "p1-prefill-1 on p1 does not generate: /health says 200" in ran.err
    assert "`qcluster restart p1-prefill-1`" in ran.err
    assert "p1-prefill-0 on p1 does not" not in ran.err


def test_a_host_that_cannot_be_reached_keeps_nobody_from_proving_the_others(place: Workplace) -> None:
    broken(place, "host-down", "d1")
    ran = place.run("smoke", LAB)
    assert ran.exit == 3, ran.text
    assert "proven: 2 of 4 instances; on d1, which cannot be reached, not asked: d1-decode-0, d1-decode-1" in ran.err
    broken(place, "engine-sick", "p1:7101")
    worse = place.run("smoke", LAB)
    assert worse.exit == 3 and "p1-prefill-1: /health says 503" in worse.err, worse.text


def test_a_dead_proxy_is_told_at_once_with_its_last_lines(place: Workplace) -> None:
    run = place.folder / "lab/hosts/p1/home/.local/state/qcluster/lab-1p1d/qcluster-lab-1p1d-proxy/run"
    os.kill(int((run / "entry.pid").read_text()), signal.SIGKILL)
    ran = place.run("smoke", LAB)
    assert ran.exit == 4, ran.text
    assert "the proxy on p1 has ended: Exited (137)" in ran.err
    assert "Uvicorn running on" in ran.err and "`qcluster up` starts it again" in ran.err


def test_down_stops_everything_and_proves_the_npus_free(place: Workplace) -> None:
    ran = place.run("down", LAB, "--yes", "-o", "json")
    assert ran.exit == 0, ran.text
    assert sum(tally["changed"] for tally in ran.json()["recap"].values()) == 3
    again = place.run("down", LAB, "--yes", "-o", "json")
    assert again.exit == 0, again.text
    assert {tally["changed"] for tally in again.json()["recap"].values()} == {0}


def test_what_is_stopped_is_called_stopped(place: Workplace) -> None:
    smoke = place.run("smoke", LAB)
    assert smoke.exit == 4 and "not running: none of 4 instances answers; `qcluster up` starts them" in smoke.err
    restart = place.run("restart", "decode", "-i", LAB)
    assert restart.exit == 2 and "nothing of lab-1p1d runs: start it with `qcluster up`" in restart.err
    assert f"lab-1p1d: not running; `qcluster up {LAB}` starts it" in place.run("status", LAB).out


def test_down_asks_and_names_what_it_would_stop(place: Workplace) -> None:
    ran = place.run("down", LAB)
    assert ran.exit == 130
    assert "lab-1p1d" in ran.err and "p1, d1" in ran.err


def test_what_serves_is_not_replaced_unasked_and_comes_back_when_the_new_one_fails(place: Workplace) -> None:
    assert place.run("up", LAB, "--skip-network").exit == 0
    changed = place.inventory(LAB, lambda text: small(text).replace("tp: 2", "tp: 2\n    vllm_args: {max-num-seqs: 5}"))
    ran = place.run("up", changed, "--skip-network")
    assert ran.exit == 2, ran.text
    assert "another plan runs there" in ran.err and "--yes" in ran.err
    broken(place, "engine-dies", "d1:7100", "oom once")
    ran = place.run("up", changed, "--skip-network", "--yes")
    assert ran.exit == 1, ran.text
    assert "what ran before was started again and serves (proven)" in ran.err
    assert "(up, the plan before)" in place.run("status", LAB).out
    place.run("lab", "fault", "--clear", "-i", LAB)
    place.inventory(LAB, small)
    again = place.run("up", LAB, "--skip-network", "-o", "json")
    assert again.exit == 0, again.text
    assert {tally["failed"] for tally in again.json()["recap"].values()} == {0}


def test_hosts_that_were_renamed_all_at_once_are_stopped_by_their_old_names(place: Workplace) -> None:
    renamed = place.inventory(LAB, lambda text: small(text).replace("p1:", "p2:").replace("d1:", "d2:"))
    ran = place.run("down", renamed, "--yes", "-o", "json")
    place.inventory(LAB, small)
    assert ran.exit == 0, ran.text
    assert "hosts: p2, d2 and p1, d1 (no longer in the inventory)" in ran.err
    assert {host: tally["changed"] for host, tally in ran.json()["recap"].items() if tally["changed"]} == {
        "p1": 1,
        "d1": 1,
    }
    assert {row["state"] for row in place.run("status", LAB, "--json").json()["instances"]} == {"absent"}
