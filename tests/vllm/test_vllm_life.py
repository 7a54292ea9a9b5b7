"""The life of a deployment whose engines are real vLLM processes: issue 6, "Real vLLM". `make e2e-vllm`.

One prefill and one decode host on loopback addresses with equal ports, a real SSH server before them, vllm-ascend's
real proxy. In this order one start serves several tests; each works alone too.
"""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from parts import harness
from two_hosts import DECODE, PORT, PREFILL, PROXY, Hosts, ask, engines, kill, members, running, transferred

pytestmark = pytest.mark.vllm

PROMPT = "Prefill here, decode there. " * 12
P, D = "p1-prefill-0", "d1-decode-0"


def test_a_port_in_use_is_named_as_the_cause(hosts: Hosts) -> None:
    with socket.create_server((DECODE, PORT)):
        done = hosts.up()
    assert done.exit == 1, done.text
    assert f"{D} on d1 ended with exit code 1" in done.text
    assert "cause: the HTTP port is taken [port-in-use]" in done.text
    assert f"not the cause: {P} on p1" in done.text
    assert not members(hosts.group(D))


def test_the_cache_of_a_prompt_is_transferred_and_the_text_is_that_of_one_engine(served: Hosts) -> None:
    before = transferred()
    text = ask(PREFILL, PROXY, PROMPT)
    assert transferred() > before
    assert text == ask(DECODE, PORT, PROMPT)


def test_bench_loads_the_real_engines_through_the_proxy(served: Hosts) -> None:
    before, inventory = transferred(), str(served.inventory)
    load = ("--num-prompts", "5", "--request-rate", "5", "--input-len", "60", "--output-len", "8")
    done = served.run("bench", "serve", inventory, *load, "--timeout", "300")
    assert done.exit == 0, done.text
    assert transferred() > before
    told = json.loads(served.run("bench", "show", "last", "--json").text)
    measured = told["points"][0]["load"]
    assert told["complete"] and (measured["completed"], measured["failed"]) == (5, 0)
    assert measured["ttft"]["median"] > 0 and measured["output_throughput"] > 0


def test_eval_asks_the_real_engines_with_the_real_harness(served: Hosts) -> None:
    """A run that Ctrl-C has left is joined; the next one is compared with it. Random weights answer nothing right."""
    before, programs = transferred(), harness(served.parts)
    asked = _gsm8k(served, programs)
    left = _left_alone(served, asked, programs / "lm_eval")
    assert "Detached" in left
    joined = served.run("eval", *asked)
    assert joined.exit == 0, joined.text
    first = json.loads(served.run("bench", "show", "last", "--json").text)
    assert f"going on with {first['id']}: 0 of 1 points are there" in joined.text
    assert first["complete"] and transferred() > before
    scores = {one["metric"]: (one["dataset"], one["samples"]) for one in first["points"][0]["scores"]}
    filters = ("strict-match", "flexible-extract")
    assert scores == dict.fromkeys([f"exact_match ({name})" for name in filters], ("gsm8k", 2))
    judged = served.run("eval", *asked, "--reference", "96.74")
    assert judged.exit == 4, judged.text
    assert "is below the reference 96.74" in judged.text and f"+0.00 against 0.00 of {first['id']}" in judged.text
    listed = [line.split() for line in served.run("bench", "results").text.splitlines() if "lm_eval eval" in line]
    assert [(words[0] == first["id"], words[3]) for words in listed] == [(True, "good"), (False, "bad")]


def test_up_again_touches_no_engine(served: Hosts) -> None:
    groups = served.group(P), served.group(D)
    done = served.up()
    assert done.exit == 0, done.text
    assert "changed=0" in done.text and "changed=1" not in done.text
    assert (served.group(P), served.group(D)) == groups


def test_a_killed_engine_core_is_started_again_alone(served: Hosts) -> None:
    """vLLM then ends by itself with exit code 0, which must not be taken for a stop that was asked for."""
    other = served.group(P)
    broken = served.group(D)
    kill(_titled(broken, "VLLM::EngineCore"))
    _until(lambda: served.run_file(f"{D}.exit").exists() and not members(broken))
    done = served.up()
    assert done.exit == 0, done.text
    assert served.group(D) != broken and served.group(P) == other
    assert _transfers()


def test_a_killed_api_server_leaves_no_orphan_and_is_started_again(served: Hosts) -> None:
    """By itself vLLM leaves its core and worker behind, under other titles, holding memory."""
    broken, other = served.group(P), served.group(D)
    assert {title.split()[0] for title in members(broken).values()} >= {"VLLM::EngineCore", "VLLM::Worker"}
    kill(_titled(broken, "vllm serve"))
    _until(lambda: not members(broken))
    done = served.up()
    assert done.exit == 0, done.text
    assert served.group(P) != broken and served.group(D) == other
    assert _transfers()


def test_restart_of_the_prefill_engine(served: Hosts) -> None:
    before, other = served.group(P), served.group(D)
    done = served.run("restart", P, "-i", str(served.inventory), "--yes")
    assert done.exit == 0, done.text
    assert served.group(P) != before and not members(before) and served.group(D) == other
    assert _transfers()


def test_down_leaves_no_process(served: Hosts) -> None:
    groups = served.group(P), served.group(D)
    assert engines(served.parts.root)
    done = served.down()
    assert done.exit == 0, done.text
    assert not members(groups[0]) and not members(groups[1]) and not engines(served.parts.root)
    with socket.create_server((DECODE, PORT)), socket.create_server((PREFILL, PROXY)):
        pass


@pytest.mark.parametrize("kind", ["latency", "throughput"])
def test_an_engine_without_a_server_is_measured_by_vllms_own_tool(hosts: Hosts, kind: str) -> None:
    """It loads the model itself, so nothing of the deployment may run; and it ends with what it started."""
    assert hosts.down().exit == 0
    inventory, small = str(hosts.wide), ("--input-len", "24", "--output-len", "4", "--timeout", "300")
    latency = ("--batch-size", "2", "--num-iters", "2", "--arg", "--num-iters-warmup 1")
    counts = latency if kind == "latency" else ("--num-prompts", "4")
    done = hosts.run("bench", kind, inventory, *small, *counts, "--arg", "--max-model-len 4096")
    assert done.exit == 0, done.text
    told = json.loads(hosts.run("bench", "show", "last", "--json").text)
    measured = told["points"][0]["offline"]
    assert told["complete"] and measured["latency" if kind == "latency" else "total_throughput"] > 0, told
    assert not engines(hosts.parts.root)


def _gsm8k(served: Hosts, programs: Path) -> tuple[str, ...]:
    """What `eval` is told: two questions in the published format, each with one example before it, short answers."""
    data = served.folder / "gsm8k"
    data.mkdir(exist_ok=True)
    for name in ("train", "test"):
        rows = [{"question": f"How much is {n} + {n}?", "answer": f"Twice {n}.\n#### {2000 + 2 * n}"} for n in range(4)]
        (data / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    few = ("--samples", "2", "--fewshot", "1", "-c", "2", "--arg", "--gen_kwargs max_gen_toks=16", "--timeout", "300")
    return (str(served.inventory), "--dataset", str(data), *few, "-e", f"evaluation_path={programs}")


def _left_alone(served: Hosts, asked: tuple[str, ...], program: Path) -> str:
    """What `eval` says to a Ctrl-C while the harness runs, which goes on."""
    others = running(program)
    with served.begin("eval", *asked) as begun:
        try:
            _until(lambda: bool(running(program) - others) or begun.poll() is not None)
            begun.send_signal(signal.SIGINT)
            text, _ = begun.communicate(timeout=60)
        finally:
            begun.kill()
    assert begun.returncode == 130 and running(program) - others, text
    return text


def _transfers() -> bool:
    before = transferred()
    return ask(PREFILL, PROXY, PROMPT) == ask(DECODE, PORT, PROMPT) and transferred() > before


def _titled(group: int, text: str) -> int:
    return next(pid for pid, title in members(group).items() if text in title)


def _until(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it does not become true"
        time.sleep(0.2)
