"""What an engine says of its load: requests, KV cache, tokens, and how long answers take, from vLLM's `/metrics`.

Names: vLLM v0.18.0 to v0.27.1, v1/metrics/loggers.py (they are the same in all of them). With `--data-parallel-size`
a page has a series for each engine behind the port: counts are summed, of the KV caches the fullest one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from qcluster.errors import UnreadableOutput

RUNNING = "vllm:num_requests_running"
WAITING = "vllm:num_requests_waiting"
KV_CACHE = "vllm:kv_cache_usage_perc"
PROMPT = "vllm:prompt_tokens_total"
GENERATED = "vllm:generation_tokens_total"
FINISHED = "vllm:request_success_total"
FIRST_TOKEN = "vllm:time_to_first_token_seconds"
PER_TOKEN = "vllm:request_time_per_output_token_seconds"
NAMES = (RUNNING, WAITING, KV_CACHE, PROMPT, GENERATED, FINISHED, FIRST_TOKEN, PER_TOKEN)


@dataclass(frozen=True)
class Timed:
    """A histogram's `_count` and `_sum` (seconds)."""

    count: float = 0.0
    seconds: float = 0.0

    @property
    def mean(self) -> float | None:
        return self.seconds / self.count if self.count else None

    def since(self, earlier: Timed) -> Timed:
        return Timed(self.count - earlier.count, self.seconds - earlier.seconds)


@dataclass(frozen=True)
class Reading:
    """One page. `kv_cache` is a part of 1; tokens and `finished` count since the engine started."""

    running: int
    waiting: int
    kv_cache: float
    prompt_tokens: float
    generated_tokens: float
    finished: float
    first_token: Timed
    per_token: Timed


@dataclass(frozen=True)
class Load:
    """What an engine is busy with. Mean times are in milliseconds, None where nothing was answered.

    Between two readings, times and rates are those of that while; from a single one, times are since the engine's start
    and rates are not known.
    """

    running: int
    waiting: int
    kv_cache_percent: float
    ttft_ms: float | None
    tpot_ms: float | None
    prompt_tokens_per_second: float | None
    generated_tokens_per_second: float | None
    finished: int


def parse(text: str) -> Reading:
    """Raises UnreadableOutput where this is not vLLM's page."""
    samples = _samples(text)
    missing = [name for name in (RUNNING, WAITING, KV_CACHE, PROMPT, GENERATED, FINISHED) if name not in samples]
    if missing:
        raise UnreadableOutput(f"/metrics without {missing[0]}", text)
    return Reading(
        running=int(sum(samples[RUNNING])),
        waiting=int(sum(samples[WAITING])),
        kv_cache=max(samples[KV_CACHE]),
        prompt_tokens=sum(samples[PROMPT]),
        generated_tokens=sum(samples[GENERATED]),
        finished=sum(samples[FINISHED]),
        first_token=_timed(samples, FIRST_TOKEN),
        per_token=_timed(samples, PER_TOKEN),
    )


def _timed(samples: Mapping[str, list[float]], name: str) -> Timed:
    return Timed(sum(samples.get(f"{name}_count", ())), sum(samples.get(f"{name}_sum", ())))


def _samples(text: str) -> dict[str, list[float]]:
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, list[float]] = {}
    try:
        for family in text_string_to_metric_families("\n".join(_wanted(text.splitlines())) + "\n"):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample.value)
    except ValueError as error:
        raise UnreadableOutput(f"/metrics is no Prometheus text ({error})", text) from error
    return found


def _wanted(lines: Iterable[str]) -> Iterator[str]:
    """A page has hundreds of lines and a cluster hundreds of pages: only those that are read are parsed."""
    for line in lines:
        name = line.split("{", 1)[0].split(" ", 1)[0]
        if name.startswith(NAMES) and not name.endswith(("_bucket", "_created")):
            yield line


def load(now: Reading, before: Reading | None = None, seconds: float = 0.0) -> Load:
    """`before` was read so many `seconds` ago. An engine that counts from 0 again was restarted meanwhile."""
    if before and (now.finished < before.finished or now.prompt_tokens < before.prompt_tokens):
        before = None
    first = now.first_token.since(before.first_token) if before else now.first_token
    each = now.per_token.since(before.per_token) if before else now.per_token
    return Load(
        running=now.running,
        waiting=now.waiting,
        kv_cache_percent=round(100 * now.kv_cache, 1),
        ttft_ms=_ms(first.mean),
        tpot_ms=_ms(each.mean),
        prompt_tokens_per_second=_rate(now.prompt_tokens, before.prompt_tokens if before else None, seconds),
        generated_tokens_per_second=_rate(now.generated_tokens, before.generated_tokens if before else None, seconds),
        finished=int(now.finished),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 2)


def _rate(now: float, before: float | None, seconds: float) -> float | None:
    return None if before is None or seconds <= 0 else round((now - before) / seconds, 1)
