"""Simulation of `vllm bench latency` and `throughput`: an engine on NPUs, no server; files as vLLM writes them."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

from qcluster.lab.tools import here
from qcluster.lab.tools.bench.client import mean, percentile
from qcluster.lab.tools.engine.flags import Usage, parse
from qcluster.lab.tools.engine.options import Options, read_model, read_version
from qcluster.lab.tools.engine.startup import Engine, Failed

OWN = ("--input-len", "--output-len", "--batch-size", "--num-iters", "--num-iters-warmup", "--num-prompts")
SHARES = (10, 25, 50, 75, 90, 99)
STEP = 0.0002
"""Seconds that the made-up engine takes for one token of a batch."""


def main(kind: str, words: list[str]) -> int:
    known = argparse.ArgumentParser(prog=f"vllm bench {kind}", description=here.SIMULATION, allow_abbrev=False)
    for name in OWN:
        known.add_argument(name, type=int)
    known.add_argument("--random-input-len", type=int, default=1024)
    known.add_argument("--random-output-len", type=int, default=128)
    known.add_argument("--output-json")
    known.add_argument("--dataset-name")
    args, rest = known.parse_known_args(words)
    try:
        engine = _engine(rest)
    except Usage as usage:
        here.complain(f"vllm bench {kind}: error: {usage}")
        return 2
    try:
        engine.start()
        result = latency(args) if kind == "latency" else throughput(args)
    except Failed as failed:
        here.complain(failed.text)
        return failed.code
    finally:
        engine.workers.stop()
    if args.output_json:
        with open(args.output_json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=4)
    return 0


def _engine(rest: list[str]) -> Engine:
    flags = parse([word for word in rest if word != "--model"])
    environ = dict(os.environ)
    version = read_version(environ.get("QCLUSTER_LAB_IMAGE", ""))
    return Engine(Options(flags, read_model(str(flags.get("model", ""))), version, environ))


def latency(args: argparse.Namespace) -> dict[str, Any]:
    took = []
    for _ in range(args.num_iters or 30):
        began = time.perf_counter()
        time.sleep(STEP * (args.output_len or 128))
        took.append(time.perf_counter() - began)
    shares = {str(share): percentile(took, share) for share in SHARES}
    here.say(f"Avg latency: {mean(took)} seconds")
    for share, value in shares.items():
        here.say(f"{share}% percentile latency: {value} seconds")
    return {"avg_latency": mean(took), "latencies": took, "percentiles": shares}


def throughput(args: argparse.Namespace) -> dict[str, Any]:
    count, sent, got = args.num_prompts or 1000, args.random_input_len, args.random_output_len
    began = time.perf_counter()
    time.sleep(STEP * got * (count // 256 + 1))
    took = time.perf_counter() - began
    total = count * (sent + got)
    said = f"{count / took:.2f} requests/s, {total / took:.2f} total tokens/s, {count * got / took:.2f} output tokens/s"
    here.say(f"Throughput: {said}")
    here.say(f"Total num prompt tokens:  {count * sent}\nTotal num output tokens:  {count * got}")
    return {
        "elapsed_time": took,
        "num_requests": count,
        "total_num_tokens": total,
        "requests_per_second": count / took,
        "tokens_per_second": total / took,
    }
