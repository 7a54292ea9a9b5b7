"""Every entry of the catalogue matches its own excerpt, and lines of a healthy start match none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from qcluster.diagnose import catalogue, doctor
from qcluster.diagnose.catalogue import Entry, diagnose, entries, unexplained
from qcluster.facts.evidence import Excerpt

HEALTHY = """\
INFO 11-24 08:00:01 [__init__.py:38] Platform plugin ascend is activated
(APIServer pid=77) INFO 11-24 08:00:02 [utils.py:253] non-default args: {'model_tag': '/weights', 'port': 7100}
(APIServer pid=77) INFO 11-24 08:00:04 [model.py:547] Resolved architecture: Qwen3_5ForConditionalGeneration
(EngineCore pid=90) INFO 11-24 08:00:09 [core.py:77] Initializing a V1 LLM engine (v0.23.0) with config: model='/w'
(Worker_TP0 pid=95) INFO 11-24 08:00:12 [parallel_state.py:1208] world_size=2 rank=0 local_rank=0 backend=hccl
(Worker_TP0 pid=95) Loading safetensors checkpoint shards: 100% Completed | 8/8 [01:02<00:00]
(EngineCore pid=90) INFO 11-24 08:02:09 [kv_cache_utils.py:1087] GPU KV cache size: 412,672 tokens
(APIServer pid=77) INFO 11-24 08:03:01 [launcher.py:37] Route: /health, Methods: GET
(APIServer pid=77) INFO:     Application startup complete.
INFO:     127.0.0.1:40312 - "POST /v1/completions HTTP/1.1" 200 OK
""".splitlines()


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_an_entry_explains_its_own_excerpt(entry: Entry) -> None:
    for where in entry.where:
        found = [match.entry.id for match in diagnose([entry.example], where)]
        assert found == [entry.id], "another entry takes the line first, or none does"


@pytest.mark.parametrize("where", ["engine", "plog", "proxy", "docker", "launcher", "network"])
def test_a_healthy_start_matches_nothing(where: str) -> None:
    assert diagnose(HEALTHY, where) == []
    assert unexplained(HEALTHY, where) == []


def test_every_entry_is_complete_and_named_once() -> None:
    names = [entry.id for entry in entries()]
    assert len(names) == len(set(names))
    for entry in entries():
        assert entry.kind in catalogue.RANK, entry.id
        assert entry.cause and entry.remedy and entry.source, entry.id
        assert set(entry.where) <= {"engine", "plog", "proxy", "docker", "network", "launcher"}, entry.id


def test_a_cause_goes_before_the_effects_that_follow_it() -> None:
    log = [
        "ERROR Engine core proc EngineCore died unexpectedly, shutting down client.",
        "zmq.error.ZMQError: Address already in use (addr='tcp://10.0.0.1:36000')",
        "RuntimeError: KV Cache sending/receiving thread failed to start.",
    ]
    found = [match.entry.id for match in diagnose(log)]
    assert found == ["kv-port-in-use", "engine-died", "kv-thread-failed"]


def test_an_error_that_nobody_knows_is_shown() -> None:
    log = ["INFO fine", "RuntimeError: the flux capacitor is empty", "OSError: [Errno 98] Address already in use"]
    assert unexplained(log) == ["RuntimeError: the flux capacitor is empty"]


def test_the_first_exception_is_the_reason_and_effects_are_none() -> None:
    log = [
        "(EngineCore_DP0 pid=7) Traceback (most recent call last):",
        "(EngineCore_DP0 pid=7) ERROR 07-11 10:00:00 [core.py:9] torch_npu.WeirdError: layer 17 is upset",
        "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",
    ]
    assert catalogue.exceptions(log) == ["torch_npu.WeirdError: layer 17 is upset"]
    told = doctor.told(doctor.examine({"d1": [Excerpt("engine", "d1-decode-0", tuple(log))]}))
    assert told[0].startswith("most likely one of these")
    assert any("layer 17 is upset" in line for line in told[1:3])
    assert any(line.startswith("effect: ") and "[engine-died]" in line for line in told)


def test_an_effect_alone_is_no_health() -> None:
    log = ("(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",)
    assert doctor.examine({"d1": [Excerpt("engine", "d1-decode-0", log)]}).sick


def test_the_last_proof_is_part_of_the_finding() -> None:
    finding = replace(doctor.examine({}), proof="FAILED 09:22 (smoke): the text makes no sense")
    assert finding.sick
    assert doctor.told(finding) == ["the last proof failed:", "  FAILED 09:22 (smoke): the text makes no sense"]


def test_how_an_engine_ended_that_was_told_to_is_no_failure() -> None:
    log = ("(APIServer pid=1) ERROR [core.py:1] Engine core proc EngineCore_DP0 died unexpectedly", "FooError: torn")
    excerpts = {"d1": [Excerpt("engine", "d1-decode-0", log)]}
    assert doctor.examine(excerpts).sick
    assert not doctor.examine(excerpts, ended={"d1-decode-0"}).sick
    occupied = "zmq.error.ZMQError: Address already in use (addr='tcp://10.0.0.1:36000')"
    why = {"d1": [Excerpt("engine", "d1-decode-0", (occupied, *log))]}
    assert [one.entry.id for one in doctor.examine(why, {"d1-decode-0"}).diagnoses] == ["kv-port-in-use"]


def test_a_host_that_is_gone_is_told_first_and_what_does_not_serve_after_the_cause() -> None:
    log = ("zmq.error.ZMQError: Address already in use (addr='tcp://10.0.0.1:36000')",)
    seen = doctor.examine({"d1": [Excerpt("engine", "d1-decode-0", log)]})
    finding = replace(seen, unreached=("p1: refused",), ailing=("d1-decode-0 on d1 has ended",))
    heads = [line for line in doctor.told(finding) if not line.startswith("  ")]
    assert [head.split()[0] for head in heads] == ["cannot", "most", "does"]
    assert replace(doctor.examine({}), ailing=("x",)).sick and replace(doctor.examine({}), unreached=("x",)).sick


NPU_SMI = Path(__file__).parents[1] / "cases" / "network" / "npu_smi_info.yml"


def test_where_docker_does_not_answer_nobody_is_told_to_kill_what_may_serve() -> None:
    said = next(case["stdout"] for case in yaml.safe_load(NPU_SMI.read_text()) if "166929" in case["stdout"])
    busy = Excerpt("network", "npu-smi", tuple(said.splitlines()))
    silent = Excerpt("docker", "containers", ("Cannot connect to the Docker daemon. Is the docker daemon running?",))
    held = doctor.leftovers("d1", [busy, Excerpt("docker", "containers", ())], [], "small")
    assert "d1: NPU 0 runs pid 166929, and no container runs there: kill -TERM 166929 (" in held[0]
    assert doctor.leftovers("d1", [busy, silent], [], "small") == []
