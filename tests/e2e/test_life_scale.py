"""Hosts join and leave a deployment that serves, and what a bundle for an expert holds."""

from __future__ import annotations

import json
import os
import signal
import tarfile

import pytest
from workplace import CANARY, Ran, Workplace, load

LAB = "grow.yaml"
INVENTORY = """\
all:
  vars: {{ansible_connection: lab, deployment: grow, model: Qwen3.5-27B-w8a8, hardware: a3, tp: 2, dp: 1, npus: 2,
         api_key: {key}}}
  children:
    prefill: {{hosts: {{p1: {{}}}}}}
    decode: {{hosts: {{{decode}}}}}
"""


def described(place: Workplace, *decode: str) -> None:
    hosts = ", ".join(f"{name}: {{}}" for name in decode)
    place.write(LAB, INVENTORY.format(decode=hosts, key=CANARY))


def changed(ran: Ran) -> dict[str, int]:
    return {host: tally["changed"] for host, tally in ran.json()["recap"].items()}


@pytest.fixture(scope="module")
def place(shared_place: Workplace) -> Workplace:
    described(shared_place, "d1")
    refused = shared_place.run("scale", LAB)
    assert refused.exit == 2 and "start it with `qcluster up" in refused.err, refused.text
    ran = shared_place.run("up", LAB, "--skip-network")
    assert ran.exit == 0, ran.text
    return shared_place


def test_a_host_that_does_not_start_leaves_the_others_serving(place: Workplace) -> None:
    described(place, "d1", "d2")
    place.run("lab", "start", LAB)
    assert place.run("lab", "fault", "-i", LAB, "engine-dies", "d2", "oom once").exit == 0
    ran = place.run("scale", LAB, "--skip-network")
    assert ran.exit == 1, ran.text
    assert "the deployment serves on as it was, and what was started on d2 was stopped again" in ran.err
    assert "HBM is exhausted" in ran.err


def test_a_host_joins_under_load_and_only_it_is_started(place: Workplace) -> None:
    with load(place) as errors:
        ran = place.run("scale", LAB, "--skip-network", "-o", "json")
    assert ran.exit == 0, ran.text
    assert errors == []
    assert changed(ran)["d1"] == 0
    listed = json.loads((place.folder / "lab/hosts/p1/home/.local/state/qcluster/grow/record.json").read_text())
    assert [member["name"] for member in listed["members"]] == ["p1", "d1", "d2"]
    assert CANARY not in json.dumps(listed)
    again = place.run("up", LAB, "--skip-network", "-o", "json")
    assert set(changed(again).values()) == {0}, again.text


def test_other_changes_are_not_for_scale(place: Workplace) -> None:
    place.write(LAB, INVENTORY.format(decode="d1: {}, d2: {}", key=CANARY).replace("tp: 2", "tp: 1"))
    ran = place.run("scale", LAB)
    assert ran.exit == 2, ran.text
    assert "p1, d1, d2: another plan than the one that runs there" in ran.err


def test_a_bundle_holds_what_an_expert_needs_and_no_secret(place: Workplace) -> None:
    described(place, "d1", "d2")
    told = place.run("lab", "fault", "-i", LAB, "host-down", "d2")
    assert told.exit == 0, told.text
    log = place.folder / "lab/hosts/d1/home/.local/state/qcluster/grow/logs/d1-decode-0.log"
    log.write_text(log.read_text() + f"key {CANARY}\nhf_token=hf_aaaabbbbcccc\n")
    ran = place.run("logs", "--bundle", "out.tar.gz", LAB)
    place.run("lab", "fault", "-i", LAB, "--clear")
    assert ran.exit == 0, ran.text
    with tarfile.open(place.folder / "out.tar.gz") as archive:
        texts = {one.name: archive.extractfile(one).read().decode() for one in archive.getmembers()}  # type: ignore[union-attr]
    assert not [name for name, text in texts.items() if CANARY in text or "hf_aaaabbbbcccc" in text]
    assert "d2:" in texts["out/README.txt"] and "out/hosts/d2/UNREACHABLE.txt" in texts
    assert "key ***" in texts["out/hosts/d1/logs/d1-decode-0.log"]
    wanted = ("docker/containers.txt", "docker/qcluster-grow.inspect.json", "npu-smi/info.txt", "hccn/0.txt")
    assert all(f"out/hosts/d1/{name}" in texts for name in wanted), sorted(texts)
    assert json.loads(texts["out/plan.json"])["deployment"] == "grow"
    assert any(name.endswith("-up/events.ndjson") for name in texts)


def test_a_host_that_the_inventory_no_longer_has_leaves_under_load(place: Workplace) -> None:
    described(place, "d1")
    told = place.run("up", LAB, "--skip-network", "-t", "health")
    assert "d2 is not in the plan any more" in told.err, told.text
    asked = place.run("scale", LAB)
    assert asked.exit == 2 and "d2 stops: d2-decode-0" in asked.err and "--yes" in asked.err, asked.text
    with load(place) as errors:
        ran = place.run("scale", LAB, "--yes", "-o", "json")
    assert ran.exit == 0, ran.text
    assert errors == []
    assert changed(ran)["d1"] == 0 and changed(ran)["d2"] == 1
    assert place.run("status", LAB).exit == 0
    assert place.run("scale", LAB).err == "grow: no host joins or leaves\n"


def test_supervise_starts_what_died_again(place: Workplace) -> None:
    pid_file = place.folder / "lab/hosts/d1/home/.local/state/qcluster/grow/qcluster-grow/run/d1-decode-0.pid"
    before = int(pid_file.read_text())
    os.kill(before, signal.SIGKILL)
    ran = place.run("supervise", LAB, "--looks", "1")
    assert ran.exit == 4 and "d1-decode-0 does not serve: exited 137 on d1" in ran.err, ran.text
    assert "d1-decode-0 still does not serve: failed 1 of the 3 looks in a row" in ran.err
    ran = place.run("supervise", LAB, "--interval", "1", "--looks", "4")
    assert ran.exit == 0, ran.text
    assert "down: d1-decode-0" in ran.err and "d1-decode-0 serves again" in ran.err
    assert int(pid_file.read_text()) != before


def test_supervise_installs_a_unit_without_the_key(place: Workplace) -> None:
    home = place.folder / "home"
    home.mkdir()
    ran = place.run("supervise", LAB, "--install", "--restarts", "2", "--api-key", CANARY, HOME=str(home))
    assert ran.exit == 0, ran.text
    unit = (home / ".config/systemd/user/qcluster-grow.service").read_text()
    assert f"supervise {place.folder / LAB} --interval 15 --restarts 2" in unit
    assert f"WorkingDirectory={place.folder}" in unit and CANARY not in unit
