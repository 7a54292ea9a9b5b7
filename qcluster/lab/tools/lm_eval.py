"""Simulation of lm_eval with `local-completions` and gsm8k: real requests, the harness's own way of scoring."""

from __future__ import annotations

import argparse
import glob
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
from qcluster.lab.tools.bench.client import Reply, all_of, ask

FILTERS = {"strict-match": r"#### (\-?[0-9\.\,]+)", "flexible-extract": r"(-?[$0-9.,]{2,})|(-?[0-9]+)"}
IGNORED = (",", r"\$", r"(?s).*#### ", r"\.$")
Rows = list[dict[str, str]]


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv[1:])
    if args.model != "local-completions":
        here.complain(f"lm_eval ({here.SIMULATION}): only local-completions is simulated")
        sys.exit(2)
    model = dict(pair.split("=", 1) for pair in args.model_args.split(","))
    tokenizer = model.get("tokenizer", model["model"])
    if not os.path.exists(f"{tokenizer}/config.json"):
        here.complain(f"OSError: {tokenizer} is not a local folder and is not a valid model identifier of the hub")
        sys.exit(1)
    train, test = tasks(args)
    shots, began = args.num_fewshot if args.num_fewshot is not None else 5, time.time()
    rows = test[: int(args.limit)] if args.limit else test
    replies = all_of([partial(ask, model["base_url"], body(model, train[:shots], row)) for row in rows], at_once(model))
    broken = [reply.error for reply in replies if reply.error]
    if broken:
        here.complain(
            f"API request failed with error message: {broken[0]}. Retrying...\nRetryError: {len(broken)} requests"
        )
        sys.exit(1)
    write(args, model, document(args, model, (rows, replies, len(test), shots), began))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="lm_eval", description=here.SIMULATION)
    made.add_argument("--model", default="hf")
    made.add_argument("--model_args", default="")
    made.add_argument("--tasks", default="")
    made.add_argument("--include_path")
    made.add_argument("--num_fewshot", type=int)
    made.add_argument("--limit", type=float)
    made.add_argument("--batch_size", default="1")
    made.add_argument("--output_path")
    return made


def at_once(model: dict[str, str]) -> int:
    return int(model.get("num_concurrent", 1))


def tasks(args: argparse.Namespace) -> tuple[Rows, Rows]:
    """The training and the test split: of a task file below --include_path, else of the simulated hub."""
    for path in glob.glob(f"{args.include_path}/**/*.yaml", recursive=True) if args.include_path else []:
        said = dict(re.findall(r"^\s*(\w+): *(\S+)$", here.read(path), re.MULTILINE))
        if said.get("task") == args.tasks:
            return list(questions.folder(said["train"])), list(questions.folder(said["test"]))
    if args.tasks != "gsm8k":
        here.complain(f"ValueError: Tasks not found: {args.tasks}. Try `lm-eval ls tasks` for list of available tasks.")
        sys.exit(1)
    return questions.hub("train"), questions.hub("test")


def body(model: dict[str, str], shots: Rows, row: dict[str, str]) -> dict[str, Any]:
    shown = [f"Question: {one['question']}\nAnswer: {one['answer']}" for one in shots]
    prompt = "\n\n".join([*shown, f"Question: {row['question']}\nAnswer:"])
    stop = ["Question:", "</s>", "<|im_end|>"]
    return {
        "prompt": prompt,
        "model": model["model"],
        "max_tokens": 256,
        "temperature": 0.0,
        "stop": stop,
        "seed": 1234,
    }


def right(name: str, said: str, answer: str) -> bool:
    found = re.findall(FILTERS[name], said)
    if not found:
        return False
    taken = found[0] if name == "strict-match" else next((part for part in found[-1] if part), "")
    return plain(taken) == plain(answer)


def plain(text: str) -> str:
    for pattern in IGNORED:
        text = re.sub(pattern, "", text)
    return text.strip().lower()


def document(
    args: argparse.Namespace, model: dict[str, str], work: tuple[Rows, Sequence[Reply], int, int], began: float
) -> dict[str, Any]:
    """The results file, with the keys that lm_eval 0.4.13 writes."""
    rows, replies, whole, shots = work
    values: dict[str, Any] = {"name": args.tasks, "alias": args.tasks, "sample_len": len(rows)}
    for name in FILTERS:
        hits = [right(name, reply.text, row["answer"]) for row, reply in zip(rows, replies, strict=True)]
        share = sum(hits) / len(hits)
        values[f"exact_match,{name}"] = share
        values[f"exact_match_stderr,{name}"] = (share * (1 - share) / max(len(hits) - 1, 1)) ** 0.5
    return {
        "results": {args.tasks: values},
        "group_subtasks": {},
        "configs": {args.tasks: {"task": args.tasks, "output_type": "generate_until", "num_fewshot": shots}},
        "versions": {args.tasks: 3.0},
        "n-shot": {args.tasks: shots},
        "higher_is_better": {args.tasks: {"exact_match": True}},
        "n-samples": {args.tasks: {"original": whole, "effective": len(rows)}},
        "config": {"model": args.model, "model_args": args.model_args, "batch_size": args.batch_size},
        "git_hash": None,
        "date": began,
        "model_source": args.model,
        "model_name": model["model"],
        "model_name_sanitized": model["model"].replace("/", "__"),
        "lm_eval_version": "0.4.13",
        "total_evaluation_time_seconds": str(time.time() - began),
    }


def write(args: argparse.Namespace, model: dict[str, str], found: dict[str, Any]) -> None:
    values = found["results"][args.tasks]
    here.say(f"|Tasks|Version|     Filter     |n-shot|  Metric   |Value |   ({here.SIMULATION})")
    for name in FILTERS:
        here.say(f"|{args.tasks}|      3|{name:<16}|     5|exact_match|{values[f'exact_match,{name}']:.4f}|")
    if args.output_path:
        folder = f"{args.output_path}/{found['model_name_sanitized']}"
        os.makedirs(folder, exist_ok=True)
        stamp = time.strftime("%Y-%m-%dT%H-%M-%S.000000")
        here.write(f"{folder}/results_{stamp}.json", json.dumps(found, indent=2))
