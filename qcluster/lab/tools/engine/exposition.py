"""What vLLM's `/metrics` looks like: every family with its text, labels and buckets, and how they are written.

Source: vLLM v0.23.0, v1/metrics/loggers.py; the text format 0.0.4 as prometheus_client 0.26 writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

TOKENS = "tokens"
"""Buckets in steps of 1, 2, 5 up to the longest context."""
FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
         160.0, 640.0, 2560.0)  # fmt: skip
EACH = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
WHOLE = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
         1920.0, 7680.0)  # fmt: skip
STEP = (1.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0)
TIMES = (1.0, 2.0, 5.0, 10.0, 20.0)
MFU = "(for Model Flops Utilization calculations)"
PHASES = (("queue", "WAITING"), ("inference", "RUNNING"), ("prefill", "PREFILL"), ("decode", "DECODE"))
SHARING = "from KV connector cross-instance cache sharing"
WAITING = (
    "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; 'deferred' = "
    "deferred by transient constraints (LoRA budget, KV transfer, blocked status). Sum of all reasons equals "
    "vllm:num_requests_waiting."
)
SLEEP = (
    "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; weights_offloaded = 1 "
    "means sleep level 1; discard_all = 1 means sleep level 2."
)


@dataclass(frozen=True)
class Family:
    """`label` and its `values`, where the series differ by one; `buckets` of a histogram."""

    kind: str
    name: str
    about: str
    label: str = ""
    values: tuple[str, ...] = ("",)
    buckets: Sequence[float] | str = ()


FAMILIES = (
    Family("counter", "estimated_flops_per_gpu", f"Estimated number of floating point operations per GPU {MFU}."),
    Family("counter", "estimated_read_bytes_per_gpu", f"Estimated number of bytes read from memory per GPU {MFU}."),
    Family("counter", "estimated_write_bytes_per_gpu", f"Estimated number of bytes written to memory per GPU {MFU}."),
    Family("gauge", "num_requests_running", "Number of requests in model execution batches."),
    Family("gauge", "num_requests_waiting", "Number of requests waiting to be processed."),
    Family("gauge", "num_requests_waiting_by_reason", WAITING, "reason", ("capacity", "deferred")),
    Family("gauge", "engine_sleep_state", SLEEP, "sleep_state", ("awake", "weights_offloaded", "discard_all")),
    Family("gauge", "kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage."),
    Family("counter", "prefix_cache_queries", "Prefix cache queries, in terms of number of queried tokens."),
    Family("counter", "prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens."),
    Family(
        "counter",
        "external_prefix_cache_queries",
        f"External prefix cache queries {SHARING}, in terms of number of queried tokens.",
    ),
    Family(
        "counter",
        "external_prefix_cache_hits",
        f"External prefix cache hits {SHARING}, in terms of number of cached tokens.",
    ),
    Family("counter", "mm_cache_queries", "Multi-modal cache queries, in terms of number of queried items."),
    Family("counter", "mm_cache_hits", "Multi-modal cache hits, in terms of number of cached items."),
    Family("counter", "num_preemptions", "Cumulative number of preemption from the engine."),
    Family("counter", "prompt_tokens", "Number of prefill tokens processed."),
    Family(
        "counter",
        "prompt_tokens_by_source",
        "Number of prompt tokens by source.",
        "source",
        ("local_compute", "local_cache_hit", "external_kv_transfer"),
    ),
    Family("counter", "prompt_tokens_cached", "Number of cached prompt tokens (local + external)."),
    Family("counter", "generation_tokens", "Number of generation tokens processed."),
    Family(
        "counter",
        "request_success",
        "Count of successfully processed requests.",
        "finished_reason",
        ("stop", "length", "abort", "error", "repetition"),
    ),
    Family("histogram", "request_prompt_tokens", "Number of prefill tokens processed.", buckets=TOKENS),
    Family("histogram", "request_generation_tokens", "Number of generation tokens processed.", buckets=TOKENS),
    Family("histogram", "iteration_tokens_total", "Histogram of number of tokens per engine_step.", buckets=STEP),
    Family(
        "histogram",
        "request_max_num_generation_tokens",
        "Histogram of maximum number of requested generation tokens.",
        buckets=TOKENS,
    ),
    Family("histogram", "request_params_n", "Histogram of the n request parameter.", buckets=TIMES),
    Family("histogram", "request_params_max_tokens", "Histogram of the max_tokens request parameter.", buckets=TOKENS),
    Family("histogram", "time_to_first_token_seconds", "Histogram of time to first token in seconds.", buckets=FIRST),
    Family("histogram", "inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", buckets=EACH),
    Family(
        "histogram",
        "request_time_per_output_token_seconds",
        "Histogram of time_per_output_token_seconds per request.",
        buckets=EACH,
    ),
    Family("histogram", "e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", buckets=WHOLE),
    *(
        Family("histogram", f"request_{name}_time_seconds", f"Histogram of time spent in {phase} phase for request.",
               buckets=WHOLE)
        for name, phase in PHASES
    ),
    Family(
        "histogram",
        "request_prefill_kv_computed_tokens",
        "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
        buckets=TOKENS,
    ),
)  # fmt: skip


@dataclass
class Values:
    """What the engine has counted: `single` by family and label value, `observed` by histogram."""

    single: Mapping[tuple[str, str], float]
    observed: Mapping[str, Sequence[float]]
    model: str
    longest: int
    born: float


def text(values: Values) -> str:
    """The whole page."""
    return "\n".join(line for family in FAMILIES for line in _family(family, values)) + "\n"


def _family(family: Family, values: Values) -> Iterator[str]:
    name = f"vllm:{family.name}"
    shown = f"{name}_total" if family.kind == "counter" else name
    yield f"# HELP {shown} {family.about}"
    yield f"# TYPE {shown} {family.kind}"
    if family.kind == "histogram":
        yield from _histogram(name, _bounds(family, values), values.observed.get(family.name, ()), values)
    else:
        for value in family.values:
            number = float(values.single.get((family.name, value), 0.0))
            yield f"{shown}{_labels(values.model, **({family.label: value} if value else {}))} {number}"
    if family.kind != "gauge":
        yield f"# HELP {name}_created {family.about}"
        yield f"# TYPE {name}_created gauge"
        for value in family.values:
            yield f"{name}_created{_labels(values.model, **({family.label: value} if value else {}))} {values.born}"


def _labels(model: str, **more: str) -> str:
    """Labels stand in the order of their names."""
    known = sorted({"engine": "0", "model_name": model, **more}.items())
    return "{" + ",".join(f'{name}="{value}"' for name, value in known) + "}"


def _bounds(family: Family, values: Values) -> Sequence[float]:
    if not isinstance(family.buckets, str):
        return family.buckets
    steps = (float(step * 10**power) for power in range(9) for step in (1, 2, 5))
    return [step for step in steps if step <= values.longest]


def _histogram(name: str, bounds: Sequence[float], observed: Sequence[float], values: Values) -> Iterator[str]:
    for bound in (*bounds, float("inf")):
        count = float(sum(value <= bound for value in observed))
        shown = "+Inf" if bound == float("inf") else str(bound)
        yield f"{name}_bucket{_labels(values.model, le=shown)} {count}"
    yield f"{name}_count{_labels(values.model)} {float(len(observed))}"
    yield f"{name}_sum{_labels(values.model)} {float(sum(observed))}"
