"""The engine's counters, as `/metrics` and `/load` show them."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from qcluster.lab.tools.engine.exposition import Values, text

KEPT = 100_000
"""Observations of a histogram that are kept: a lab is not for a week's load."""


@dataclass
class Ticket:
    """One request on its way. Times are of the monotonic clock."""

    prompt: int
    begun: float = field(default_factory=time.monotonic)
    tokens: list[float] = field(default_factory=list)

    def token(self) -> None:
        self.tokens.append(time.monotonic())


class Counters:
    """`room` are the tokens that the KV cache holds, `longest` those of the longest context."""

    def __init__(self, model: str, longest: int, room: int):
        self._model, self._longest, self._room = model, longest, room
        self._lock, self._born = threading.Lock(), time.time()
        self._single: Counter[tuple[str, str]] = Counter({("engine_sleep_state", "awake"): 1})
        self._observed: defaultdict[str, list[float]] = defaultdict(list)
        self._held: dict[int, Ticket] = {}

    def begin(self, prompt: int) -> Ticket:
        """A request of so many tokens has come."""
        ticket = Ticket(prompt)
        with self._lock:
            self._held[id(ticket)] = ticket
        return ticket

    def end(self, ticket: Ticket) -> None:
        """It is over, however it ended."""
        with self._lock:
            self._held.pop(id(ticket), None)

    def served(self, ticket: Ticket, reason: str, remote: bool, limit: int) -> None:
        """It was answered. `remote`: the prompt's KV came from a prefill node."""
        generated, prompt = len(ticket.tokens), ticket.prompt
        counted = {
            ("prompt_tokens", ""): prompt,
            ("generation_tokens", ""): generated,
            ("prefix_cache_queries", ""): prompt,
            ("request_success", reason): 1,
            ("prompt_tokens_by_source", "external_kv_transfer" if remote else "local_compute"): prompt,
        }
        if remote:
            counted |= {(name, ""): prompt for name in ("external_prefix_cache_queries", "external_prefix_cache_hits")}
            counted["prompt_tokens_cached", ""] = prompt
        with self._lock:
            self._single.update(counted)
            for name, values in self._observations(ticket, remote, limit).items():
                self._observed[name] = [*self._observed[name], *values][-KEPT:]

    def _observations(self, ticket: Ticket, remote: bool, limit: int) -> dict[str, list[float]]:
        first, last, generated = ticket.tokens[0], ticket.tokens[-1], len(ticket.tokens)
        steps = [later - earlier for earlier, later in zip(ticket.tokens, ticket.tokens[1:], strict=False)]
        found: dict[str, list[float]] = {
            "request_prompt_tokens": [ticket.prompt],
            "request_generation_tokens": [generated],
            "iteration_tokens_total": [ticket.prompt, *([1.0] * len(steps))],
            "request_max_num_generation_tokens": [generated],
            "request_params_n": [1],
            "request_params_max_tokens": [limit],
            "time_to_first_token_seconds": [first - ticket.begun],
            "inter_token_latency_seconds": steps,
            "e2e_request_latency_seconds": [last - ticket.begun],
            "request_queue_time_seconds": [0.0],
            "request_inference_time_seconds": [last - ticket.begun],
            "request_prefill_time_seconds": [first - ticket.begun],
            "request_decode_time_seconds": [last - first],
            "request_prefill_kv_computed_tokens": [0 if remote else ticket.prompt],
        }
        if steps:
            found["request_time_per_output_token_seconds"] = [(last - first) / len(steps)]
        return found

    @property
    def running(self) -> int:
        return len(self._held)

    def text(self) -> str:
        """Prometheus text, with vLLM's names and labels."""
        with self._lock:
            held = sum(ticket.prompt + len(ticket.tokens) for ticket in self._held.values())
            now = {
                ("num_requests_running", ""): float(self.running),
                ("kv_cache_usage_perc", ""): min(1.0, held / self._room),
            }
            return text(Values({**self._single, **now}, self._observed, self._model, self._longest, self._born))
