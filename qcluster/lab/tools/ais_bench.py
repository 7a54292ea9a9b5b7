"""Simulation of AISBench with a vLLM chat service and gsm8k: real requests, files as AISBench 3.1 writes them."""

from __future__ import annotations

import argparse
import ast
import csv
import io
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from qcluster.lab.tools import here
from qcluster.lab.tools.bench import questions
from qcluster.lab.tools.bench.client import Reply, all_of, ask, mean, percentile

COLUMNS = ("Average", "Min", "Max", "Median", "P75", "P90", "P99")
PROMPT = (
    "Answer the question. Write the number after 'answer:' in the last line of what you say, and think step by step."
    "\n\nQuestion: {}"
)


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv[1:])
    model = read_model(f"{args.config_dir}/models/{args.models[0]}.py")
    if not args.datasets[0].startswith("gsm8k_gen"):
        here.complain(f"FileMatchError: The provided pattern matches 0 or more than one config: {args.datasets[0]}")
        sys.exit(1)
    stamp = time.strftime("%Y%m%d_%H%M%S")
    out = f"{args.work_dir or 'outputs/default'}/{stamp}"
    os.makedirs(f"{out}/configs", exist_ok=True)
    here.write(f"{out}/configs/{stamp}_{os.getpid()}.py", f"models = [{model!r}]\n")
    rows = dataset()[: args.num_prompts]
    url = f"http://{model['host_ip']}:{model['host_port']}/v1/chat/completions"
    began = time.perf_counter()
    replies = all_of([partial(ask, url, body(model, row)) for row in rows], int(model["batch_size"]))
    took = time.perf_counter() - began
    if args.mode == "perf":
        performance(f"{out}/performances/{model['abbr']}", (replies, took), int(model["batch_size"]))
    else:
        summary(f"{out}/summary", stamp, model["abbr"], accuracy(rows, replies))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="ais_bench", description=here.SIMULATION)
    made.add_argument("--models", nargs="+", required=True)
    made.add_argument("--datasets", nargs="+", required=True)
    made.add_argument("--summarizer")
    made.add_argument("-m", "--mode", default="all", choices=["all", "infer", "eval", "viz", "perf", "perf_viz"])
    made.add_argument("-w", "--work-dir")
    made.add_argument("--config-dir", default="configs")
    made.add_argument("--num-prompts", type=int)
    for flag in ("--merge-ds", "--dump-eval-details", "--debug"):
        made.add_argument(flag, action="store_true")
    return made


def read_model(path: str) -> dict[str, Any]:
    """The literal values of the first `dict(…)` in a model's configuration; the key comes from the environment."""
    found: dict[str, Any] = {}
    calls = [node for node in ast.walk(ast.parse(here.read(path))) if isinstance(node, ast.Call)]
    for word in calls[0].keywords if calls else []:
        try:
            found[str(word.arg)] = ast.literal_eval(word.value)
        except ValueError:
            continue
    if "host_port" not in found:
        here.complain(f"FileMatchError: no model in {path}")
        sys.exit(1)
    return {**found, "api_key": os.environ.get("OPENAI_API_KEY", "")}


def dataset() -> list[dict[str, str]]:
    folder = os.environ.get("AIS_BENCH_DATASETS_CACHE")
    path = f"{folder}/ais_bench/datasets/gsm8k/test.jsonl"
    return list(questions.folder(path)) if folder else questions.hub("test")


def body(model: dict[str, Any], row: dict[str, str]) -> dict[str, Any]:
    messages = [{"role": "user", "content": PROMPT.format(row["question"])}]
    stream = {"stream": True, "stream_options": {"include_usage": True}} if model["stream"] else {}
    return {"model": model["model"], "messages": messages, "max_tokens": model["max_out_len"], **stream}


def accuracy(rows: Sequence[dict[str, str]], replies: Sequence[Reply]) -> float:
    """In percent; a request that failed counts as a wrong answer, as with AISBench."""
    pairs = zip(rows, replies, strict=True)
    return 100 * sum(last_number(reply.text) == wanted(row) for row, reply in pairs) / len(rows)


def last_number(text: str) -> str:
    found = re.findall(r"\-?\d+\.\d+|\-?\d+", text.split("Question:")[0])
    return found[-1] if found else "NULL"


def wanted(row: dict[str, str]) -> str:
    return row["answer"].split("#### ")[1].replace(",", "")


def summary(folder: str, stamp: str, model: str, score: float) -> None:
    os.makedirs(folder, exist_ok=True)
    rows = [["dataset", "version", "metric", "mode", model], ["gsm8k", "7cd45e", "accuracy", "gen", f"{score:.02f}"]]
    here.write(f"{folder}/summary_{stamp}.csv", "\n".join(",".join(row) for row in rows) + "\n")
    lines = [f"| {' | '.join(rows[0])} |", f"|{' | '.join('-----' for _ in rows[0])}|", f"| {' | '.join(rows[1])} |"]
    here.write(f"{folder}/summary_{stamp}.md", "\n".join(lines) + "\n")
    here.say(f"The markdown format results is as below ({here.SIMULATION}):\n\n" + "\n".join(lines))


def performance(folder: str, work: tuple[Sequence[Reply], float], most: int) -> None:
    replies, took = work
    good = [reply for reply in replies if not reply.error]
    if not good:
        here.complain("AISBenchDataContentError: All requests failed, cannot calculate performance results.")
        sys.exit(1)
    os.makedirs(folder, exist_ok=True)
    here.write(f"{folder}/gsm8k.json", json.dumps(totals(good, len(replies), took, most), indent=4))
    here.write(f"{folder}/gsm8k.csv", latencies(good))
    here.say(f"Performance Results of task: vllm-api-stream-chat/gsm8k ({here.SIMULATION})")


def totals(good: Sequence[Reply], count: int, took: float, most: int) -> dict[str, dict[str, Any]]:
    sent, got = sum(reply.sent for reply in good), sum(reply.got for reply in good)
    values: dict[str, Any] = {
        "Benchmark Duration": f"{round(1000 * took, 4)} ms",
        "Total Requests": count,
        "Failed Requests": count - len(good),
        "Success Requests": len(good),
        "Concurrency": round(sum(reply.latency for reply in good) / took, 4),
        "Max Concurrency": most,
        "Request Throughput": f"{round(len(good) / took, 4)} req/s",
        "Total Input Tokens": sent,
        "Prefill Token Throughput": f"{round(sent / sum(reply.ttft for reply in good), 4)} token/s",
        "Total Generated Tokens": got,
        "Input Token Throughput": f"{round(sent / took, 4)} token/s",
        "Output Token Throughput": f"{round(got / took, 4)} token/s",
        "Total Token Throughput": f"{round((sent + got) / took, 4)} token/s",
    }
    return {name: {"total": value} for name, value in values.items()}


def latencies(good: Sequence[Reply]) -> str:
    found = {
        "E2EL": [reply.latency for reply in good],
        "TTFT": [reply.ttft for reply in good],
        "TPOT": [(reply.latency - reply.ttft) / max(reply.got - 1, 1) for reply in good],
        "ITL": [gap for reply in good for gap in reply.gaps],
    }
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["Performance Parameters", "Stage", *COLUMNS, "N"])
    for name, values in found.items():
        table.writerow([name, "total", *(f"{round(1000 * value, 4)} ms" for value in _columns(values)), len(good)])
    for name, counts in (("InputTokens", [one.sent for one in good]), ("OutputTokens", [one.got for one in good])):
        table.writerow([name, "total", *_columns([float(count) for count in counts]), len(good)])
    return text.getvalue()


def _columns(values: Sequence[float]) -> list[float]:
    shares = [percentile(values, share) for share in (50, 75, 90, 99)]
    return [round(value, 4) for value in (mean(values), min(values), max(values), *shares)]
