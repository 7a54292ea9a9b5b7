"""The simulated engines as processes: start-up log, HTTP, KV transfer, NPUs held, and how they die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_site import LabSite, make
from waiting import until

from qcluster.lab.layout import LabHost
from qcluster.lab.tools import here

MILESTONES = [
    "non-default args",
    "Resolved architecture",
    "Initializing a V1 LLM engine",
    "Starting to load model",
    "100% Completed | 4/4",
    "Loading weights took",
    "GPU KV cache size",
    "init engine",
    "KVCacheSendingThread started listening on path",
    "Starting vLLM server on",
    "Route: /health, Methods: GET",
    "Started server process",
    "Application startup complete.",
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LabSite]:
    made = make(tmp_path / "lab", (LabHost("p", ""), LabHost("d", "")))
    for host in ("p", "d"):
        weights = str(made.lab.root(host) / "home/w")
        made.out(host, "modelscope", "download", "--model", "Eco-Tech/Qwen3.5-27B-w8a8-mtp", "--local_dir", weights)
    yield made
    made.close()


def connector(role: str, port: int = 36000) -> str:
    sides = {"prefill": {"dp_size": 1, "tp_size": 2}, "decode": {"dp_size": 1, "tp_size": 2}}
    name = {"kv_connector": "MooncakeConnectorV1", "kv_role": role, "kv_port": str(port)}
    return json.dumps({**name, "kv_connector_extra_config": sides})


class Started:
    """One `vllm serve` on a lab host, with its log."""

    def __init__(self, site: LabSite, host: str, *words: str, **extra: str):
        self.site, self.host = site, host
        self.log = site.lab.root(host) / "home" / f"engine-{extra.get('port', '7100')}.log"
        self.port = int(extra.pop("port", "7100"))
        env = {**site.env(host), "VLLM_HOST_IP": site.address(host), "LD_LIBRARY_PATH": "/usr/local/lib"} | extra
        env["PATH"] = f"{site.lab.directory}/image:{env['PATH']}"
        argv = ["vllm", "serve", str(site.lab.root(host) / "home/w"), "--tensor-parallel-size", "2", "--port"]
        with self.log.open("wb") as log:
            tool = str(site.lab.directory / "image/vllm")
            words = (*argv[1:], str(self.port), "--served-model-name", "qwen3.5", *words)
            self.process = subprocess.Popen([tool, *words], env=env, stdout=log, stderr=log, start_new_session=True)

    @property
    def text(self) -> str:
        return self.log.read_text()

    def ready(self) -> Started:
        until(lambda: "Application startup complete." in self.text or self.process.poll() is not None)
        assert self.process.poll() is None, self.text
        return self

    def exit(self) -> int:
        return self.process.wait(timeout=20)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=20)

    def get(self, path: str) -> tuple[int, str]:
        return http(f"http://{self.site.address(self.host)}:{self.port}{path}")

    def ask(self, path: str, **body: Any) -> tuple[int, Any]:
        code, text = http(f"http://{self.site.address(self.host)}:{self.port}{path}", body)
        return code, json.loads(text) if text else {}


def http(url: str, body: Any = None, key: str = "") -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_prefill_engine_starts_serves_and_stops(site: LabSite) -> None:
    engine = Started(site, "p", "--kv-transfer-config", connector("kv_producer")).ready()
    log = engine.text
    places = [log.index(milestone) for milestone in MILESTONES]
    assert places == sorted(places)
    assert "simulation" in log.splitlines()[0]
    assert engine.get("/health") == (200, "")
    assert json.loads(engine.get("/v1/models")[1])["data"][0]["id"] == "qwen3.5"
    assert engine.ask("/v1/completions", model="other", prompt="x")[0] == 404
    assert engine.ask("/v1/completions", model="qwen3.5", prompt="x", max_tokens=10**7)[0] == 400
    used = site.out("p", "npu-smi", "info")
    assert used.count("VLLMWorker_TP") == 2
    engine.end()
    assert engine.process.returncode == 0
    assert "[shutdown] API server: shutdown triggered" in engine.text
    assert site.out("p", "npu-smi", "info").count("VLLMWorker_TP") == 0


def test_prefill_and_decode_through_the_proxy(site: LabSite) -> None:
    prefill = Started(site, "p", "--kv-transfer-config", connector("kv_producer")).ready()
    decode = Started(site, "d", "--kv-transfer-config", connector("kv_consumer", 36200)).ready()
    proxy = start_proxy(site)
    url = f"http://{site.address('p')}:1999"
    body = {"model": "qwen3.5", "prompt": "The capital of France is", "max_tokens": 8}
    code, text = http(f"{url}/v1/completions", body)
    assert code == 200
    answer = json.loads(text)
    assert answer["choices"][0]["text"].startswith(" Paris.")
    assert answer["usage"] == {"prompt_tokens": 5, "total_tokens": 13, "completion_tokens": 8}
    assert answer["choices"] == decode.ask("/v1/completions", **body)[1]["choices"]
    counted = [line for line in decode.get("/metrics")[1].splitlines() if 'source="external_kv_transfer"' in line]
    assert counted[0].endswith(" 5.0")
    assert 'finished_reason="length",model_name="qwen3.5"} 1.0' in prefill.get("/metrics")[1]
    assert json.loads(http(f"{url}/healthcheck")[1])["decode_instances"] == 1
    decode.end()
    assert http(f"{url}/v1/completions", body) == (200, "")
    prefill.end()
    assert http(f"{url}/v1/completions", body)[0] == 500
    assert json.loads(http(f"{url}/healthcheck")[1])["status"] == "ok"
    proxy.kill()
    proxy.wait()


def start_proxy(site: LabSite) -> subprocess.Popen[bytes]:
    address, peer = site.address("p"), site.address("d")
    words = f"--port 1999 --host {address} --prefiller-hosts {address} --prefiller-ports 7100 --decoder-hosts {peer} "
    tool = str(site.lab.directory / "image/load_balance_proxy_server_example.py")
    log = site.lab.root("p") / "home/proxy.log"
    with log.open("wb") as out:
        argv = [tool, *words.split(), "--decoder-ports", "7100"]
        process = subprocess.Popen(argv, env=site.env("p"), stdout=out, stderr=out)
    until(lambda: "Uvicorn running on" in log.read_text())
    return process


@pytest.mark.parametrize("broken", [("host-pair", "p", "d"), ("tls-off", "d"), ("hccn-conf-missing", "d")])
def test_a_broken_fabric_shows_in_the_answers(site: LabSite, broken: tuple[str, ...]) -> None:
    prefill = Started(site, "p", "--kv-transfer-config", connector("kv_producer")).ready()
    decode = Started(site, "d", "--kv-transfer-config", connector("kv_consumer", 36200)).ready()
    site.fault(*broken)
    body = {"model": "qwen3.5", "prompt": "Hello", "max_tokens": 4}
    asked = {"do_remote_decode": True}
    params = prefill.ask("/v1/completions", **body, kv_transfer_params=asked)[1]["kv_transfer_params"]
    code, answer = decode.ask("/v1/completions", **body, kv_transfer_params=params)
    if broken[0] == "hccn-conf-missing":
        assert (code, answer["choices"][0]["text"]) == (200, "!!!!")
    else:
        assert code == 500
        assert "ASCEND_CONNECT_TIMEOUT" in decode.text
    prefill.end()
    decode.end()


def test_two_replicas_with_one_kv_port(site: LabSite) -> None:
    words = ("--kv-transfer-config", connector("kv_producer"))
    first = Started(site, "p", *words, ASCEND_RT_VISIBLE_DEVICES="0,1").ready()
    second = Started(site, "p", *words, port="7101", ASCEND_RT_VISIBLE_DEVICES="2,3")
    assert second.exit() == 1
    assert f"Address already in use (addr='tcp://{site.address('p')}:36000')" in second.text
    assert "KV Cache sending/receiving thread failed to start" in second.text
    first.end()


def test_devices_are_exclusive(site: LabSite) -> None:
    first = Started(site, "p", ASCEND_RT_VISIBLE_DEVICES="0,1").ready()
    second = Started(site, "p", port="7101", ASCEND_RT_VISIBLE_DEVICES="1,2")
    assert second.exit() == 1
    assert "is less than desired GPU memory utilization" in second.text
    third = Started(site, "p", port="7102", ASCEND_RT_VISIBLE_DEVICES="15,16")
    assert third.exit() == 1
    assert "ASCEND_RT_VISIBLE_DEVICES:16 out of range [0-16)" in third.text
    first.end()


def test_an_api_key_is_asked_for(site: LabSite) -> None:
    engine = Started(site, "p", VLLM_API_KEY="secret").ready()
    url = f"http://{site.address('p')}:7100"
    assert http(f"{url}/v1/models")[0] == 401
    assert http(f"{url}/v1/models", key="secret")[0] == 200
    assert http(f"{url}/health")[0] == 200
    assert "secret" not in engine.text
    engine.end()


def test_streams_carry_the_same_words(site: LabSite) -> None:
    engine = Started(site, "p").ready()
    chat = {"model": "qwen3.5", "messages": [{"role": "user", "content": "What is 2+2?"}], "max_tokens": 6}
    whole = engine.ask("/v1/chat/completions", **chat)[1]["choices"][0]["message"]["content"]
    _, text = http(f"http://{site.address('p')}:7100/v1/chat/completions", {**chat, "stream": True})
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    pieces = (json.loads(event)["choices"][0]["delta"]["content"] for event in events[:-1])
    assert "".join(pieces) == whole
    assert whole.startswith("4")
    engine.end()


def engine_pids(engine: Started) -> dict[str, int]:
    found = {}
    for pid in here.marked(f"QCLUSTER_LAB_ROOT={engine.site.lab.root(engine.host)}"):
        found[here.read(f"/proc/{pid}/cmdline").partition("\0")[0]] = pid
    return {title: pid for title, pid in found.items() if title.startswith("VLLM::")}


def test_a_dead_core_makes_health_503_and_the_server_end_with_0(site: LabSite) -> None:
    engine = Started(site, "p", QCLUSTER_LAB_PACE="0.6").ready()
    pids = engine_pids(engine)
    assert sorted(pids) == ["VLLM::EngineCore", "VLLM::Worker_TP0", "VLLM::Worker_TP1"]
    os.kill(pids["VLLM::EngineCore"], signal.SIGKILL)
    until(lambda: engine.get("/health")[0] == 503)
    assert engine.exit() == 0
    assert "died unexpectedly" in engine.text


def test_a_killed_server_leaves_orphans_that_hold_the_npu(site: LabSite) -> None:
    engine = Started(site, "p").ready()
    os.kill(engine.process.pid, signal.SIGKILL)
    engine.exit()
    assert site.out("p", "npu-smi", "info").count("VLLMWorker_TP") == 2
    os.killpg(engine.process.pid, signal.SIGKILL)
    until(lambda: site.out("p", "npu-smi", "info").count("VLLMWorker_TP") == 0)


@pytest.mark.parametrize(("fault", "said"), [("oom", "NPU out of memory"), ("hccl", "EI0006")])
def test_an_engine_dies_while_starting(site: LabSite, fault: str, said: str) -> None:
    site.fault("engine-dies", "p:7101", fault, "once")
    other = Started(site, "p").ready()
    engine = Started(site, "p", port="7101", ASCEND_RT_VISIBLE_DEVICES="2,3")
    assert engine.exit() == 1
    assert said in engine.text
    Started(site, "p", port="7101", ASCEND_RT_VISIBLE_DEVICES="2,3").ready().end()
    other.end()


def group_of_two(site: LabSite) -> tuple[str, ...]:
    """The flags that both ranks of a MoE group have."""
    meeting = ("--data-parallel-address", site.address("p"), "--data-parallel-rpc-port", "12321")
    return ("--data-parallel-size", "2", *meeting)


def test_a_moe_group_waits_for_all_its_ranks(site: LabSite) -> None:
    moe = site.lab.root("p") / "home/w/config.json"
    moe.write_text(json.dumps({"model_type": "qwen3_moe", "num_experts": 8, "lab_weights_gb": 30}))
    flags = group_of_two(site)
    first = Started(site, "p", *flags, "--data-parallel-rank", "0", ASCEND_RT_VISIBLE_DEVICES="0,1")
    until(lambda: "init engine" in first.text)
    assert "Application startup complete." not in first.text
    words = (*flags, "--data-parallel-rank", "1")
    second = Started(site, "p", *words, port="7101", ASCEND_RT_VISIBLE_DEVICES="2,3").ready()
    first.ready()
    assert "VLLM::EngineCore_DP1" in engine_pids(first)
    second.end()
    first.end()


def test_a_rank_over_two_hosts_waits_for_both(site: LabSite) -> None:
    flags = (
        "--pipeline-parallel-size",
        "2",
        "--nnodes",
        "2",
        "--master-addr",
        site.address("p"),
        "--master-port",
        "12331",
    )
    kv = ("--kv-transfer-config", connector("kv_producer").replace('"tp_size": 2', '"tp_size": 2, "pp_size": 2', 1))
    first = Started(site, "p", *flags, *kv, "--node-rank", "0")
    until(lambda: "Initializing a V1 LLM engine" in first.text)
    assert "Starting to load model" not in first.text
    words = (*flags, *kv, "--node-rank", "1", "--headless")
    second = Started(site, "d", *words)
    first.ready()
    until(lambda: "KVCacheSendingThread started" in second.text)
    assert f"tcp://{site.address('d')}:36002" in second.text and "init engine" not in second.text
    assert f"tcp://{site.address('p')}:36000" in first.text
    second.end()
    first.end()


def test_a_group_that_does_not_come_together(site: LabSite) -> None:
    moe = site.lab.root("p") / "home/w/config.json"
    moe.write_text(json.dumps({"model_type": "qwen3_moe", "num_experts": 8}))
    flags = group_of_two(site)
    engine = Started(site, "p", *flags, "--data-parallel-rank", "0", VLLM_ENGINE_READY_TIMEOUT_S="1")
    assert engine.exit() == 1
    assert "Timed out waiting for engine core processes to start" in engine.text
