"""A new plan takes the place of one that serves, host by host, and a bad one stops at its first host."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import Workplace

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


@contextmanager
def load(place: Workplace) -> Iterator[list[str]]:
    """Three clients that ask through the proxy; yields what went wrong."""
    hosts = json.loads((place.folder / "lab" / "lab.json").read_text())["hosts"]
    url = f"http://{hosts['p1']['address']}:1999/v1/completions"
    body = json.dumps({"model": "qwen3.5", "prompt": "2 + 2 =", "max_tokens": 8}).encode()
    over, errors, served = threading.Event(), list[str](), list[str]()

    def ask() -> None:
        while not over.is_set():
            try:
                request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=30) as answer:
                    served.append(json.loads(answer.read())["choices"][0]["text"])
            except Exception as error:
                errors.append(repr(error))
            time.sleep(0.1)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield errors
    over.set()
    for thread in threads:
        thread.join()
    assert len(served) > 10


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
    assert "the other hosts were left alone" in ran.err
    place.run("lab", "fault", "-i", LAB, "--clear")
    described(place, ", vllm_args: {max-num-seqs: 6}")
    back = place.run("up", LAB, "--skip-network", "-o", "json", timeout=300)
    assert back.exit == 0, back.text
    assert {host: tally["changed"] for host, tally in back.json()["recap"].items() if host != "p1"} == {
        "p2": 0,
        "d1": 0,
        "d2": 0,
    }
