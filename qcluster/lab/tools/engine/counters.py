"""The engine's counters, as `/metrics` and `/load` show them."""

from __future__ import annotations

import threading
from collections import Counter

HELP = {
    "num_requests_running": ("gauge", "Number of requests in model execution batches."),
    "num_requests_waiting": ("gauge", "Number of requests waiting to be processed."),
    "kv_cache_usage_perc": ("gauge", "KV-cache usage. 1 means 100 percent usage."),
    "prompt_tokens_total": ("counter", "Number of prefill tokens processed."),
    "generation_tokens_total": ("counter", "Number of generation tokens processed."),
}


class Counters:
    def __init__(self, model: str):
        self._model, self._lock = model, threading.Lock()
        self._values: Counter[str] = Counter()
        self._finished: Counter[str] = Counter({"stop": 0, "length": 0, "abort": 0})
        self._sources: Counter[str] = Counter({"local_compute": 0, "external_kv_transfer": 0})

    def begin(self) -> None:
        with self._lock:
            self._values["num_requests_running"] += 1

    def end(self) -> None:
        with self._lock:
            self._values["num_requests_running"] -= 1

    def served(self, prompt: int, generated: int, reason: str, remote: bool) -> None:
        with self._lock:
            self._values["prompt_tokens_total"] += prompt
            self._values["generation_tokens_total"] += generated
            self._finished[reason] += 1
            self._sources["external_kv_transfer" if remote else "local_compute"] += prompt

    @property
    def running(self) -> int:
        return self._values["num_requests_running"]

    def text(self) -> str:
        """Prometheus text, with vLLM's names and labels."""
        labels = f'engine="0",model_name="{self._model}"'
        lines = []
        for name, (kind, about) in HELP.items():
            lines += [f"# HELP vllm:{name} {about}", f"# TYPE vllm:{name} {kind}"]
            lines.append(f"vllm:{name}{{{labels}}} {float(self._values[name])}")
        lines += ["# HELP vllm:request_success_total Count of successfully processed requests."]
        lines += ["# TYPE vllm:request_success_total counter"]
        for reason, count in sorted(self._finished.items()):
            lines.append(f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {float(count)}')
        lines += ["# HELP vllm:prompt_tokens_by_source_total Prompt tokens by where their KV came from."]
        lines += ["# TYPE vllm:prompt_tokens_by_source_total counter"]
        for source, count in sorted(self._sources.items()):
            lines.append(f'vllm:prompt_tokens_by_source_total{{{labels},source="{source}"}} {float(count)}')
        return "\n".join(lines) + "\n"
