"""Other ways to serve, from up to down: KV cache sent layer by layer, and a MoE model's ranks without containers."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from workplace import Workplace

LAYERS = """\
all:
  vars: {ansible_connection: lab, deployment: layers, model: Qwen3.5-27B-w8a8, hardware: a3, npus: 4, tp: 2, dp: 2,
         connector: MooncakeLayerwiseConnector}
  children:
    prefill: {hosts: {p1: {}}}
    decode: {hosts: {d1: {}}}
"""
RANKS = """\
all:
  vars:
    ansible_connection: lab
    deployment: ranks
    container_runtime: host
    hardware: a3
    npus: 4
    dp: 2
    tp: 2
    model: {weights: vllm-ascend/Qwen3-235B-A22B-W8A8, served_name: qwen3, shape: moe}
    vllm_args: {quantization: ascend, enable-expert-parallel: true, max-model-len: 40960}
  children:
    prefill: {hosts: {p1: {}}}
    decode: {hosts: {d1: {}}}
"""


def told(place: Workplace, host: str, name: str) -> str:
    """What an engine has said."""
    (log,) = (place.folder / "lab/hosts" / host).rglob(f"logs/{name}.log")
    return log.read_text()


def changed(place: Workplace, name: str) -> set[int]:
    ran = place.run("up", name, "--yes", "--skip-network", "-o", "json")
    assert ran.exit == 0, ran.text
    return {tally["changed"] for tally in ran.json()["recap"].values()}


def test_kv_cache_is_sent_layer_by_layer_and_the_decode_engines_ask_for_it(place: Workplace) -> None:
    place.write("layers.yaml", LAYERS)
    plan = place.run("plan", "layers.yaml", "--json").json()
    assert plan["proxy"]["kind"] == "vllm-ascend-layerwise"
    ran = place.run("up", "layers.yaml", "--yes", "--skip-network")
    assert ran.exit == 0, ran.text
    assert "serves qwen3.5 (4 instances)" in ran.text
    assert "KVCacheRecvingLayerThread listening on" in told(place, "d1", "d1-decode-0")
    assert "listening on path" not in told(place, "p1", "p1-prefill-0"), "only the side that receives listens"
    smoke = place.run("smoke", "layers.yaml")
    assert smoke.exit == 0, smoke.text
    assert changed(place, "layers.yaml") == {0}
    place.run("lab", "fault", "-i", "layers.yaml", "firewall", "d1", "p1", "1999")
    shut = place.run("smoke", "layers.yaml", "-e", "health_timeout=4")
    assert shut.exit == 4, shut.text
    assert "through the proxy: no answer" in shut.text
    assert "cannot reach the layerwise proxy" in place.run("doctor", "layers.yaml").out
    place.run("lab", "fault", "-i", "layers.yaml", "--clear")
    down = place.run("down", "layers.yaml", "--yes")
    assert down.exit == 0, down.text


def test_ranks_of_a_moe_model_run_without_containers_and_start_again_together(place: Workplace) -> None:
    place.write("ranks.yaml", RANKS)
    ran = place.run("up", "ranks.yaml", "--yes", "--skip-network")
    assert ran.exit == 0, ran.text
    assert "serves qwen3 (4 instances)" in ran.text
    ranks = {name: rank_of(command) for name, command in groups(place, "d1").items()}
    assert ranks == {"d1-decode-0": "0", "d1-decode-1": "1"}
    assert changed(place, "ranks.yaml") == {0}
    before = pids(place, "d1"), pids(place, "p1")
    os.killpg(before[0]["d1-decode-1"], signal.SIGKILL)
    assert changed(place, "ranks.yaml") >= {1}
    after = pids(place, "d1"), pids(place, "p1")
    assert after[1] == before[1] and not set(after[0].values()) & set(before[0].values()), "its group, and no other"
    down = place.run("down", "ranks.yaml", "--yes")
    assert down.exit == 0, down.text
    assert not any(Path("/proc", str(pid)).exists() for pid in (*after[0].values(), *after[1].values()))


def pids(place: Workplace, host: str) -> dict[str, int]:
    """The process groups of a host's engines by name."""
    files = (place.folder / "lab/hosts" / host).rglob("qcluster-ranks/run/*-*.pid")
    return {file.stem: int(file.read_text()) for file in files}


def groups(place: Workplace, host: str) -> dict[str, str]:
    return {name: Path("/proc", str(pid), "cmdline").read_text() for name, pid in pids(place, host).items()}


def rank_of(command: str) -> str:
    words: Any = command.split("\0")
    return str(words[words.index("--data-parallel-rank") + 1]) if "--data-parallel-rank" in words else command
