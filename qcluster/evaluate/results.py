"""What the tools wrote, as values. Output that does not fit raises `UnreadableOutput`: unknown is never a pass.

Sources: vllm/benchmarks/{serve,latency,throughput}.py of 0.22.1 and 0.27.1; lm_eval 0.4.13 result_schema.py;
AISBench 3.1 summarizers/default.py and calculators/base_perf_metric_calculator.py.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from qcluster.errors import UnreadableOutput
from qcluster.evaluate.model import Load, Offline, Score, Spread

Files = Mapping[str, bytes]


class Found(NamedTuple):
    """One of the three, as the kind has it."""

    load: Load | None = None
    offline: Offline | None = None
    scores: tuple[Score, ...] = ()


def read(kind: str, tool: str, files: Files) -> Found:
    """What the files of one point say. Raises `UnreadableOutput`."""
    readers: dict[tuple[str, str], Callable[[Files], Found]] = {
        ("serve", "vllm"): lambda files: Found(load=vllm_serve(_json(files, "result.json"))),
        ("latency", "vllm"): lambda files: Found(offline=vllm_latency(_json(files, "result.json"))),
        ("throughput", "vllm"): lambda files: Found(offline=vllm_throughput(_json(files, "result.json"))),
        ("eval", "lm_eval"): lambda files: Found(scores=lm_eval(_json(files, "result.json"))),
        ("eval", "aisbench"): lambda files: Found(scores=aisbench_scores(_text(files, "summary.csv"))),
        ("serve", "aisbench"): lambda files: Found(load=aisbench_load(files)),
    }
    try:
        return readers[(kind, tool)](files)
    except (KeyError, ValueError, TypeError, IndexError, StopIteration) as error:
        shown = "\n".join(f"{name}: {data[:200].decode('utf-8', 'replace')}" for name, data in files.items())
        raise UnreadableOutput(f"what {tool} wrote cannot be understood ({error!r})", shown) from error


def _text(files: Files, name: str) -> str:
    return files[name].decode("utf-8")


def _json(files: Files, name: str) -> dict[str, Any]:
    value = json.loads(_text(files, name))
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def vllm_serve(data: Mapping[str, Any]) -> Load:
    """`failed` came with 0.14; before, what was not completed had failed."""
    completed = int(data["completed"])
    return Load(
        completed=completed,
        failed=int(data.get("failed", int(data["num_prompts"]) - completed)),
        duration=float(data["duration"]),
        input_tokens=int(data["total_input_tokens"]),
        output_tokens=int(data["total_output_tokens"]),
        request_throughput=float(data["request_throughput"]),
        output_throughput=float(data["output_throughput"]),
        total_throughput=float(data["total_token_throughput"]),
        **{name: _vllm_spread(data, name) for name in ("ttft", "tpot", "itl", "e2el")},
    )


def _vllm_spread(data: Mapping[str, Any], name: str) -> Spread | None:
    if f"mean_{name}_ms" not in data:
        return None
    mean, median = float(data[f"mean_{name}_ms"]), float(data[f"median_{name}_ms"])
    return Spread(mean, median, float(data[f"p99_{name}_ms"]))


def vllm_latency(data: Mapping[str, Any]) -> Offline:
    shares = {f"p{share}": float(value) for share, value in data["percentiles"].items()}
    return Offline(latency=float(data["avg_latency"]), percentiles=shares)


def vllm_throughput(data: Mapping[str, Any]) -> Offline:
    requests, tokens = float(data["requests_per_second"]), float(data["tokens_per_second"])
    return Offline(request_throughput=requests, total_throughput=tokens)


def lm_eval(data: Mapping[str, Any]) -> tuple[Score, ...]:
    """Every metric of every task, in percent: the harness has shares of 1, and one key a metric and filter."""
    scores = tuple(
        _harness_score(data, task, key, values)
        for task, values in data["results"].items()
        for key in values
        if "," in key and "_stderr," not in key and isinstance(values[key], int | float)
    )
    if not scores:
        raise ValueError("no task has a metric")
    return scores


def _harness_score(data: Mapping[str, Any], task: str, key: str, values: Mapping[str, Any]) -> Score:
    metric, _, cut = key.partition(",")
    error = values.get(f"{metric}_stderr,{cut}")
    count = data.get("n-samples", {}).get(task, {}).get("effective")
    return Score(
        dataset=task.removesuffix("_local"),
        metric=metric if cut == "none" else f"{metric} ({cut})",
        value=100 * float(values[key]),
        stderr=100 * float(error) if isinstance(error, int | float) else None,
        samples=int(count) if count is not None else None,
    )


COUNTED = re.compile(r"^(?P<value>[\d.]+)(?: \((?P<right>\d+)/(?P<count>\d+)\))?$")


def aisbench_scores(text: str) -> tuple[Score, ...]:
    """The summary table: dataset, version, metric, mode, maybe total_count, then one column a model."""
    rows = list(csv.DictReader(io.StringIO(text)))
    scores = []
    for row in rows:
        found = COUNTED.match(str(list(row.values())[-1]).strip())
        if found is None:
            raise ValueError(f"{row['dataset']} has no score: {list(row.values())[-1]}")
        count = found["count"] or row.get("total_count")
        samples = int(count) if count and count.isdigit() else None
        scores.append(Score(row["dataset"], row["metric"], float(found["value"]), samples=samples))
    if not scores:
        raise ValueError("the table is empty")
    return tuple(scores)


def aisbench_load(files: Files) -> Load:
    """Two files: totals with their units as JSON, latencies as a table."""
    totals = {name: _number(stages["total"]) for name, stages in _json(files, "performance.json").items()}
    rows = {row["Performance Parameters"]: row for row in csv.DictReader(io.StringIO(_text(files, "performance.csv")))}
    return Load(
        completed=int(totals["Success Requests"]),
        failed=int(totals["Failed Requests"]),
        duration=totals["Benchmark Duration"] / 1000,
        input_tokens=int(totals["Total Input Tokens"]),
        output_tokens=int(totals["Total Generated Tokens"]),
        request_throughput=totals["Request Throughput"],
        output_throughput=totals["Output Token Throughput"],
        total_throughput=totals["Total Token Throughput"],
        ttft=_row(rows, "TTFT"),
        tpot=_row(rows, "TPOT"),
        itl=_row(rows, "ITL"),
        e2el=_row(rows, "E2EL"),
    )


def _row(rows: Mapping[str, Mapping[str, str]], name: str) -> Spread | None:
    if name not in rows:
        return None
    return Spread(*(_number(rows[name][column]) for column in ("Average", "Median", "P99")))


def _number(value: object) -> float:
    """`123.4 token/s` or a plain number."""
    return float(str(value).split()[0])
