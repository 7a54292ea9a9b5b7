"""The tools' command lines as golden text, and the points of a sweep."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import serving_inventories
import yaml

from qcluster.errors import InputError
from qcluster.evaluate import commands
from qcluster.evaluate.model import Request, Workload
from qcluster.evaluate.points import Rates, concurrencies, loads, offline, runner, services, subject
from qcluster.serving import make_plan
from qcluster.serving.plan import Plan

SEED = Workload(input_len=200, output_len=128, requests=200)


def planned(folder: Path, **case: Any) -> Plan:
    case["vars"] = {"model": "Qwen3.5-27B-w8a8", "weights_dir": "/models", "tp": 2, "dp": 2, **case.get("vars", {})}
    return make_plan(serving_inventories.written(folder, case))


def line(plan: Plan, kind: str, tool: str, work: Workload, rates: Rates) -> list[str]:
    points = offline(plan, kind) if kind in ("latency", "throughput") else loads(plan, rates)
    request = Request(kind, tool, subject(plan), work, points)
    return [commands.line(commands.argv(plan, request, point)) for point in points]


def test_the_seeds_load_test(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert plan.proxy is not None
    (said,) = line(plan, "serve", "vllm", SEED, Rates(request_rate=1.0))
    assert said == (
        f"vllm bench serve --base-url http://10.0.0.1:1999 --model {plan.model.path} --served-model-name qwen3.5 "
        "--dataset-name random --random-input-len 200 --random-output-len 128 --num-prompts 200 --request-rate 1 "
        "--percentile-metrics ttft,tpot,itl,e2el --metric-percentiles 50,90,99 --trust-remote-code --save-result "
        "--result-dir . --result-filename result.json"
    )


def test_every_level_of_a_sweep_has_prompts_of_its_own_and_enough_of_them(tmp_path: Path) -> None:
    few = Workload(input_len=200, output_len=128, requests=10)
    one, many = line(planned(tmp_path), "serve", "vllm", few, Rates((1, 64)))
    assert "--num-prompts 10 --request-rate inf --max-concurrency 1 --seed 1 " in one
    assert "--num-prompts 256 --request-rate inf --max-concurrency 64 --seed 64 " in many


def test_the_harness_is_told_the_tokenizer(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    (said,) = line(plan, "eval", "lm_eval", Workload(dataset="gsm8k", requests=50, fewshot=5), Rates((32,)))
    assert said == (
        "lm_eval --model local-completions --model_args model=qwen3.5,base_url=http://10.0.0.1:1999/v1/completions,"
        f"tokenizer={plan.model.path},tokenizer_backend=huggingface,tokenized_requests=False,trust_remote_code=True,"
        "num_concurrent=32,max_retries=3 --tasks gsm8k --num_fewshot 5 --limit 50 --output_path results"
    )


def test_a_dataset_of_ones_own_is_a_task_beside_the_harness_own(tmp_path: Path) -> None:
    work = Workload(dataset="gsm8k", dataset_path="/data/gsm8k")
    (said,) = line(planned(tmp_path), "eval", "lm_eval", work, Rates((1,)))
    assert "--tasks gsm8k_local --include_path tasks --output_path results" in said
    task = yaml.safe_load(commands.task_file("gsm8k").replace("@HARNESS@", "/lib/lm_eval"))
    assert task["include"] == "/lib/lm_eval/tasks/gsm8k/gsm8k.yaml"
    assert task["task"] == "gsm8k_local"


@pytest.mark.parametrize(
    ("kind", "dataset", "end"),
    [
        ("eval", "gsm8k", "--datasets gsm8k_gen_0_shot_cot_chat_prompt --mode all --dump-eval-details --merge-ds"),
        ("serve", "gsm8k", "--datasets gsm8k_gen_0_shot_cot_str_perf --summarizer default_perf --mode perf"),
        ("eval", "ceval_gen_0_shot_cot_chat_prompt", "--datasets ceval_gen_0_shot_cot_chat_prompt --mode all"),
    ],
)
def test_aisbench_as_vllm_ascends_document_has_it(tmp_path: Path, kind: str, dataset: str, end: str) -> None:
    (said,) = line(planned(tmp_path), kind, "aisbench", Workload(dataset=dataset), Rates((32,)))
    assert end in said
    assert said.endswith("--config-dir configs --work-dir outputs")


def test_an_engine_without_a_server_keeps_the_plans_engine_flags_only(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    work = Workload(input_len=32, output_len=128, batch_size=8, requests=30)
    (said,) = line(plan, "latency", "vllm", work, Rates())
    words = said.split()
    assert words[:5] == ["vllm", "bench", "latency", "--model", plan.model.path]
    assert {"--tensor-parallel-size", "--max-model-len", "--additional-config", "--compilation-config"} <= set(words)
    assert "recompute_scheduler_enable" not in said  # an engine that receives no KV refuses to start with it
    assert not {"--host", "--port", "--kv-transfer-config", "--served-model-name", "--enforce-eager"} & set(words)
    assert said.endswith("--input-len 32 --output-len 128 --batch-size 8 --num-iters 30 --output-json result.json")


def test_offline_throughput_has_the_lengths_that_the_tool_heeds(tmp_path: Path) -> None:
    work = Workload(input_len=200, output_len=128, requests=50)
    (said,) = line(planned(tmp_path), "throughput", "vllm", work, Rates())
    end = "--random-input-len 200 --random-output-len 128 --num-prompts 50 --output-json result.json"
    assert said.endswith(f"--dataset-name random {end}")


def test_services_are_the_proxy_or_every_instance_that_stands_alone(tmp_path: Path) -> None:
    assert services(planned(tmp_path)) == (("proxy", "p1"),)
    hosts = {"standalone": {"s1": {"ansible_host": "10.0.0.1"}, "s2": {"ansible_host": "10.0.0.2"}}}
    plan = planned(tmp_path, shape="single", hosts=hosts)
    assert [host for _, host in services(plan)] == ["s1", "s2"]
    points = loads(plan, Rates((1, 8)))
    assert [point.name for point in points] == [
        f"{one.name}-concurrency-{level}" for one in plan.instances for level in (1, 8)
    ]
    assert [point.host for point in points] == ["s1", "s1", "s2", "s2"]


def test_a_proxy_without_an_engine_beside_it_is_asked_from_the_first_host(tmp_path: Path) -> None:
    hosts = {**serving_inventories.PD, "proxy": {"x1": {"ansible_host": "10.0.0.9"}}}
    plan = planned(tmp_path, hosts=hosts)
    assert plan.proxy is not None and plan.proxy.host == "x1"
    assert runner(plan, "x1").host == "p1"
    (said,) = line(plan, "serve", "vllm", SEED, Rates(request_rate=1.0))
    assert "--base-url http://10.0.0.9:1999" in said


def test_auto_doubles_up_to_what_the_decode_engines_take(tmp_path: Path) -> None:
    assert concurrencies("auto", planned(tmp_path)) == (1, 2, 4, 8, 16, 32)
    assert concurrencies("8, 1,8", planned(tmp_path)) == (8, 1)


@pytest.mark.parametrize("words", ["0", "a", "", "1,-2", "1;2"])
def test_levels_that_are_none_are_refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(InputError, match="--concurrency"):
        concurrencies(words, planned(tmp_path))


def test_an_answer_fits_what_the_engines_were_started_with(tmp_path: Path) -> None:
    assert commands.longest_answer(planned(tmp_path)) == 32768 - commands.PROMPT_ROOM


def test_the_simulated_tool_takes_the_line(tmp_path: Path) -> None:
    """The stand-in has the real one's options: a word that it does not know would end it."""
    from qcluster.lab.tools.bench import serve

    (said,) = line(planned(tmp_path), "serve", "vllm", SEED, Rates((4,)))
    parsed: argparse.Namespace = serve.parser().parse_args(said.split()[3:])
    assert (parsed.max_concurrency, parsed.served_model_name, parsed.random_input_len) == (4, "qwen3.5", 200)
