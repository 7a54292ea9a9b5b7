"""Simulation of `vllm bench serve`: real requests with random prompts; what vLLM 0.22 to 0.27 write and print."""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from qcluster.lab.tools import here
from qcluster.lab.tools.bench.client import Reply, all_of, ask, deviation, mean, percentile

WORDS = ("river", "stone", "light", "paper", "winter", "metal", "garden", "silver", "cloud", "engine", "market", "road")
TITLES = {
    "ttft": ("TTFT", "Time to First Token"),
    "tpot": ("TPOT", "Time per Output Token (excl. 1st token)"),
    "itl": ("ITL", "Inter-token Latency"),
    "e2el": ("E2EL", "End-to-end Latency"),
}


def main(words: list[str]) -> int:
    args = parser().parse_args(words)
    if args.dataset_name != "random":
        here.complain(f"vllm bench serve ({here.SIMULATION}): only the random dataset is simulated")
        return 2
    here.say(f"Starting main benchmark run... ({here.SIMULATION})")
    began = time.perf_counter()
    replies = load(args)
    took = time.perf_counter() - began
    result = {**head(args), **figures(args, replies, took)}
    table(args, result)
    if args.save_result:
        os.makedirs(args.result_dir, exist_ok=True)
        with open(os.path.join(args.result_dir, args.result_filename), "w", encoding="utf-8") as file:
            json.dump(result, file)
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="vllm bench serve", description=here.SIMULATION)
    for name in ("--base-url", "--model", "--served-model-name", "--tokenizer", "--dataset-path", "--label"):
        made.add_argument(name)
    made.add_argument("--backend", default="openai")
    made.add_argument("--endpoint", default="/v1/completions")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=8000)
    made.add_argument("--dataset-name", default="random")
    made.add_argument("--random-input-len", type=int, default=1024)
    made.add_argument("--random-output-len", type=int, default=128)
    made.add_argument("--num-prompts", type=int, default=1000)
    made.add_argument("--num-warmups", type=int, default=0)
    made.add_argument("--request-rate", type=float, default=float("inf"))
    made.add_argument("--burstiness", type=float, default=1.0)
    made.add_argument("--max-concurrency", type=int)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--percentile-metrics", default="ttft,tpot,itl")
    made.add_argument("--metric-percentiles", default="99")
    made.add_argument("--result-dir", default=".")
    made.add_argument("--result-filename", default="result.json")
    made.add_argument("--temperature", type=float)
    for flag in ("--trust-remote-code", "--save-result", "--save-detailed", "--disable-tqdm", "--ignore-eos"):
        made.add_argument(flag, action="store_true")
    return made


def load(args: argparse.Namespace) -> list[Reply]:
    chance = random.Random(args.seed)
    base = args.base_url or f"http://{args.host}:{args.port}"
    jobs = [partial(ask, f"{base}{args.endpoint}", body(args, chance)) for _ in range(args.num_prompts)]
    waits = [0.0, *(chance.expovariate(args.request_rate) for _ in jobs[1:])] if args.request_rate < 1e9 else []
    return all_of(jobs, args.max_concurrency or len(jobs), waits)


def body(args: argparse.Namespace, chance: random.Random) -> dict[str, Any]:
    prompt = " ".join(chance.choice(WORDS) for _ in range(args.random_input_len))
    return {
        "model": args.served_model_name or args.model,
        "prompt": prompt,
        "repetition_penalty": 1.0,
        "max_tokens": args.random_output_len,
        "logprobs": None,
        "stream": True,
        "stream_options": {"include_usage": True},
        "ignore_eos": True,
    }


def head(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "date": time.strftime("%Y%m%d-%H%M%S"),
        "endpoint_type": args.backend,
        "backend": args.backend,
        "label": args.label,
        "model_id": args.model,
        "tokenizer_id": args.tokenizer or args.model,
        "num_prompts": args.num_prompts,
        "request_rate": args.request_rate if args.request_rate < 1e9 else "inf",
        "burstiness": args.burstiness,
        "max_concurrency": args.max_concurrency,
    }


def figures(args: argparse.Namespace, replies: Sequence[Reply], took: float) -> dict[str, Any]:
    good = [reply for reply in replies if not reply.error]
    sent, got = sum(reply.sent for reply in good), sum(reply.got for reply in good)
    found: dict[str, Any] = {
        "duration": took,
        "completed": len(good),
        "failed": len(replies) - len(good),
        "total_input_tokens": sent,
        "total_output_tokens": got,
        "request_throughput": len(good) / took,
        "request_goodput": None,
        "output_throughput": got / took,
        "total_token_throughput": (sent + got) / took,
        "max_output_tokens_per_s": float(max(_by_second(good).values(), default=0)),
        "max_concurrent_requests": _most_at_once(good),
        "rtfx": 0.0,
    }
    wanted = args.percentile_metrics.split(",")
    return found | {key: value for name in TITLES if name in wanted for key, value in _spread(args, name, good).items()}


def _spread(args: argparse.Namespace, name: str, good: Sequence[Reply]) -> dict[str, float]:
    values = [1000 * value for value in samples(name, good)]
    found = {f"mean_{name}_ms": mean(values), f"median_{name}_ms": percentile(values, 50)}
    found[f"std_{name}_ms"] = deviation(values)
    for word in args.metric_percentiles.split(","):
        found[f"p{word}_{name}_ms"] = percentile(values, float(word))
    return found


def samples(name: str, good: Sequence[Reply]) -> list[float]:
    if name == "itl":
        return [gap for reply in good for gap in reply.gaps]
    if name == "tpot":
        return [(reply.latency - reply.ttft) / (reply.got - 1) for reply in good if reply.got > 1]
    return [reply.ttft if name == "ttft" else reply.latency for reply in good]


def _by_second(good: Sequence[Reply]) -> Counter[int]:
    return Counter(int(reply.began + reply.ttft + sum(reply.gaps[:at])) for reply in good for at in range(reply.got))


def _most_at_once(good: Sequence[Reply]) -> int:
    return max((sum(one.began <= mid.began < one.began + one.latency for one in good) for mid in good), default=0)


def table(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """What it prints at the end."""
    here.say(" Serving Benchmark Result ".center(50, "="))
    rows = [("Successful requests:", result["completed"]), ("Failed requests:", result["failed"])]
    if args.max_concurrency is not None:
        rows.append(("Maximum request concurrency:", args.max_concurrency))
    rows += [("Benchmark duration (s):", result["duration"]), ("Total input tokens:", result["total_input_tokens"])]
    rows += [("Total generated tokens:", result["total_output_tokens"])]
    rows += [("Request throughput (req/s):", result["request_throughput"])]
    rows += [("Output token throughput (tok/s):", result["output_throughput"])]
    rows += [("Total token throughput (tok/s):", result["total_token_throughput"])]
    for text, value in rows:
        here.say(f"{text:<40} {value:<10.2f}" if isinstance(value, float) else f"{text:<40} {value:<10}")
    for name, (short, title) in TITLES.items():
        if f"mean_{name}_ms" in result:
            here.say(title.center(50, "-"))
            for key in [key for key in result if key.endswith(f"_{name}_ms") and not key.startswith("std")]:
                word = key.partition("_")[0]
                said = f"{word.capitalize()} {short} (ms):"
                here.say(f"{said:<40} {result[key]:<10.2f}")
    here.say("=" * 50)
