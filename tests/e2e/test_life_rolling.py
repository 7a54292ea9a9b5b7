"""A new plan takes the place of one that serves, host by host, and a bad one stops at its first host."""

from __future__ import annotations

import pytest
from conftest import Workplace
from workplace import load

LAB = "twos.yaml"
INVENTORY = """\
all:
  vars: {{ansible_connection: lab, deployment: twos, model: Qwen3.5-27B-w8a8, hardware: a3, tp: 2, dp: 1,
         npus: 2{more}}}
  children:
    prefill: {{hosts: {{p1: {{}}, p2: {{}}}}}}
    decode: {{hosts: {{d1: {{}}, d2: {{}}}}}}
"""


def described(place: Workplace, more: str = "") -> None:
    place.write(LAB, INVENTORY.format(more=more))


@pytest.fixture(scope="module")
def place(shared_place: Workplace) -> Workplace:
    described(shared_place)
    ran = shared_place.run("up", LAB, "--skip-network")
    assert ran.exit == 0, ran.text
    return shared_place


def test_a_new_plan_loses_no_request(place: Workplace) -> None:
    described(place, ", vllm_args: {max-num-seqs: 6}")
    with load(place) as errors:
        ran = place.run("up", LAB, "--skip-network", "--yes", "-o", "json", timeout=300)
    assert ran.exit == 0, ran.text
    assert errors == []
    again = place.run("up", LAB, "--skip-network", "-o", "json")
    assert {tally["changed"] for tally in again.json()["recap"].values()} == {0}


def test_a_plan_that_fails_on_its_first_host_leaves_the_others_serving(place: Workplace) -> None:
    described(place, ", vllm_args: {max-num-seqs: 7}")
    place.run("lab", "fault", "-i", LAB, "engine-dies", "p1", "oom once")
    ran = place.run("up", LAB, "--skip-network", "--yes", timeout=300)
    assert ran.exit == 1, ran.text
    assert "what ran before was started again and serves (proven); the other hosts were left alone" in ran.err
    place.run("lab", "fault", "-i", LAB, "--clear")
    described(place, ", vllm_args: {max-num-seqs: 6}")
    back = place.run("up", LAB, "--skip-network", "-o", "json", timeout=300)
    assert back.exit == 0, back.text
    assert {host: tally["changed"] for host, tally in back.json()["recap"].items() if host != "p1"} == {
        "p2": 0,
        "d1": 0,
        "d2": 0,
    }
