"""The tools' command lines, built from the plan: nobody types an address, a model name or a tokenizer path again.

Sources: the seed's sections 7 and 8; vllm/benchmarks/{serve,latency,throughput}.py of 0.22.1 and 0.27.1; lm_eval
0.4.13 models/api_models.py; AISBench 3.1 cli/argument_parser.py and vllm-ascend's using_ais_bench.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from qcluster.errors import InputError
from qcluster.evaluate.model import Point, Request
from qcluster.evaluate.points import address, flags
from qcluster.serving.plan import Instance, Plan

OUTPUT = {
    ("serve", "vllm"): ("result.json",),
    ("latency", "vllm"): ("result.json",),
    ("throughput", "vllm"): ("result.json",),
    ("eval", "lm_eval"): ("result.json",),
    ("eval", "aisbench"): ("summary.csv",),
    ("serve", "aisbench"): ("performance.json", "performance.csv"),
}
"""What the script of a point leaves in its folder, by kind and tool."""

SERVER_ONLY = frozenset(
    {
        *("host", "port", "headless", "api-key", "api-server-count", "root-path", "served-model-name"),
        *("chat-template", "enable-auto-tool-choice", "tool-call-parser", "enable-prompt-tokens-details"),
        *("uvicorn-log-level", "disable-uvicorn-access-log", "enable-server-load-tracking"),
        *("no-enable-log-requests", "enable-log-requests", "disable-log-requests"),
        *("disable-frontend-multiprocessing", "kv-transfer-config"),
    }
)
"""Flags of `vllm serve` that an engine without a server does not take, or (KV transfer) has no partner for."""

CONSUMER_ONLY = frozenset({"recompute_scheduler_enable"})
"""Keys of `--additional-config` that need a partner for KV transfer."""

LONGEST_ANSWER = 32768
PROMPT_ROOM = 4096


def argv(plan: Plan, request: Request, point: Point) -> tuple[str, ...]:
    """The command of one point; it is run in the point's own folder. Raises InputError for what cannot be."""
    builders = {
        ("serve", "vllm"): serve,
        ("latency", "vllm"): latency,
        ("throughput", "vllm"): throughput,
        ("eval", "lm_eval"): lm_eval,
        ("eval", "aisbench"): aisbench,
        ("serve", "aisbench"): aisbench,
    }
    if (request.kind, request.tool) not in builders:
        raise InputError(f"{request.tool} does not measure {request.kind}")
    return (*builders[(request.kind, request.tool)](plan, request, point), *request.workload.args)


def serve(plan: Plan, request: Request, point: Point) -> tuple[str, ...]:
    """`vllm bench serve`. The seed's line lacks --served-model-name: a server that has one answers it with 404."""
    work, (host, port) = request.workload, address(plan, point.service)
    words = ["vllm", "bench", "serve", "--base-url", f"http://{host}:{port}", "--model", plan.model.path]
    words += ["--served-model-name", plan.model.served_name, "--dataset-name", work.dataset]
    words += ["--tokenizer", work.tokenizer] if work.tokenizer else []
    if work.dataset_path:
        words += ["--dataset-path", work.dataset_path]
    elif work.dataset == "random":
        words += ["--random-input-len", str(work.input_len), "--random-output-len", str(work.output_len)]
    words += ["--num-prompts", str(requests_of(work.requests, point.concurrency))]
    words += ["--request-rate", f"{point.request_rate:g}" if point.request_rate is not None else "inf"]
    if point.concurrency is not None:
        # each point has prompts of its own: a prefix cache that knows those of the point before would flatter it
        words += ["--max-concurrency", str(point.concurrency), "--seed", str(point.concurrency)]
    words += ["--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "50,90,99"]
    words += ["--trust-remote-code"] if "trust-remote-code" in flags(plan.instances[0].argv) else []
    return (*words, "--save-result", "--result-dir", ".", "--result-filename", "result.json")


def requests_of(requests: int, concurrency: int | None) -> int:
    """A level of concurrency is only reached, and its figures only hold, with several times as many requests."""
    return max(requests, 4 * concurrency) if concurrency else requests


def latency(plan: Plan, request: Request, point: Point) -> tuple[str, ...]:
    work = request.workload
    words = ["--input-len", str(work.input_len), "--output-len", str(work.output_len)]
    words += ["--batch-size", str(work.batch_size), "--num-iters", str(work.requests)]
    return ("vllm", "bench", "latency", *engine(plan, point), *words, "--output-json", "result.json")


def throughput(plan: Plan, request: Request, point: Point) -> tuple[str, ...]:
    """The short `--input-len` would do nothing: the long one's default wins over it, in every release so far."""
    work = request.workload
    words = ["--dataset-name", "random", "--random-input-len", str(work.input_len)]
    words += ["--random-output-len", str(work.output_len), "--num-prompts", str(work.requests)]
    return ("vllm", "bench", "throughput", *engine(plan, point), *words, "--output-json", "result.json")


def engine(plan: Plan, point: Point) -> tuple[str, ...]:
    """The engine flags of the point's instance, as the plan has them, without what only a server takes."""
    one = engine_of(plan, point)
    kept: list[str] = []
    for name, value in flags(one.argv).items():
        if name in SERVER_ONLY or name.startswith(("data-parallel-", "ssl-", "allowed-")):
            continue
        value = alone(value) if name == "additional-config" else value
        kept += [f"--{name}", value] if value else [f"--{name}"]
    return ("--model", plan.model.path, *kept)


def alone(config: str) -> str:
    """vllm-ascend's own configuration without what it allows a KV consumer only (platform.py, v0.22.1rc1)."""
    kept = {name: value for name, value in json.loads(config).items() if name not in CONSUMER_ONLY}
    return json.dumps(kept, separators=(",", ":"))


def engine_of(plan: Plan, point: Point) -> Instance:
    return next(one for one in plan.instances if one.name == point.service)


def lm_eval(plan: Plan, request: Request, point: Point) -> tuple[str, ...]:
    """As the seed has it, and with the tokenizer's path: the harness takes the served name for a model of the hub."""
    work, (host, port) = request.workload, address(plan, point.service)
    model = {
        "model": plan.model.served_name,
        "base_url": f"http://{host}:{port}/v1/completions",
        "tokenizer": work.tokenizer or plan.model.path,
        "tokenizer_backend": "huggingface",
        "tokenized_requests": "False",
        "trust_remote_code": "True",
        "num_concurrent": str(point.concurrency or 1),
        "max_retries": "3",
    }
    task = f"{work.dataset}_local" if work.dataset_path else work.dataset
    words = ["lm_eval", "--model", "local-completions", "--model_args"]
    words += [",".join(f"{name}={value}" for name, value in model.items()), "--tasks", task]
    words += ["--include_path", "tasks"] if work.dataset_path else []
    words += ["--num_fewshot", str(work.fewshot)] if work.fewshot is not None else []
    words += ["--limit", str(work.requests)] if work.requests else []
    return (*words, "--output_path", "results")


DATASETS = {
    ("eval", "gsm8k"): "gsm8k_gen_0_shot_cot_chat_prompt",
    ("serve", "gsm8k"): "gsm8k_gen_0_shot_cot_str_perf",
}
"""What vllm-ascend's using_ais_bench.md gives for a dataset; other names pass to AISBench as they are."""


def aisbench(plan: Plan, request: Request, point: Point) -> tuple[str, ...]:
    """The model's configuration is a file of the point (`configs/models/…`), since older releases take no options."""
    work = request.workload
    dataset = DATASETS.get((request.kind, work.dataset), work.dataset)
    words = ["ais_bench", "--models", aisbench_model(request.kind), "--datasets", dataset]
    if request.kind == "serve":
        words += ["--summarizer", "default_perf", "--mode", "perf"]
    else:
        words += ["--mode", "all", "--dump-eval-details", "--merge-ds"]
    words += ["--num-prompts", str(work.requests)] if work.requests else []
    return (*words, "--config-dir", "configs", "--work-dir", "outputs")


def aisbench_model(kind: str) -> str:
    """The name of the file; TTFT and TPOT need an answer that streams."""
    return "qcluster_stream_chat" if kind == "serve" else "qcluster_general_chat"


def longest_answer(plan: Plan) -> int:
    """Tokens that an answer may have: what vllm-ascend's document says, within what the engines were started with."""
    limits = [int(word) for one in plan.instances if (word := flags(one.argv).get("max-model-len", "")).isdigit()]
    return max(1, min([LONGEST_ANSWER, *(limit - PROMPT_ROOM for limit in limits if limit > PROMPT_ROOM)]))


def task_file(dataset: str) -> str:
    """A task for `lm_eval --include_path` that reads the dataset from `data/`, beside the harness's own definition.

    `@HARNESS@` is where that lies; the script puts it in.
    """
    return (
        f"include: @HARNESS@/tasks/{dataset}/{dataset}.yaml\ntask: {dataset}_local\ndataset_path: json\n"
        "dataset_name: null\ndataset_kwargs:\n  data_files:\n    train: data/train.jsonl\n    test: data/test.jsonl\n"
    )


def line(words: Sequence[str]) -> str:
    """For people and the journal."""
    import shlex

    return shlex.join(words)
