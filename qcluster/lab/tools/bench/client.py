"""Requests to an OpenAI service, timed; and the figures that the tools make of the times."""

from __future__ import annotations

import http.client
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from qcluster.lab.tools import here

DEADLINE = 120.0


class Reply(NamedTuple):
    """One answered request. Times in seconds; `ttft` and `gaps` only where it streamed."""

    text: str = ""
    error: str = ""
    began: float = 0.0
    latency: float = 0.0
    ttft: float = 0.0
    gaps: tuple[float, ...] = ()
    sent: int = 0
    got: int = 0


def ask(url: str, body: dict[str, Any]) -> Reply:
    """POST `body` and take the answer, as it streams where it does. What goes wrong is in `error`."""
    began = time.perf_counter()
    try:
        return _ask(url, body, began)
    except (OSError, ValueError, KeyError, IndexError, http.client.HTTPException) as error:
        return Reply(error=repr(error), began=began, latency=time.perf_counter() - began)


def _ask(url: str, body: dict[str, Any], began: float) -> Reply:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=DEADLINE)
    connection.sock = here.connect((place.hostname or "", place.port or 80), DEADLINE)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"}
    try:
        connection.request("POST", place.path, json.dumps(body), headers)
        answer = connection.getresponse()
        if answer.status != 200:
            return Reply(error=f"{answer.status} {answer.read()[:300].decode()}", began=began)
        return _streamed(answer, began) if body.get("stream") else _whole(answer, began)
    finally:
        connection.close()


def _whole(answer: http.client.HTTPResponse, began: float) -> Reply:
    value = json.loads(answer.read())
    choice, usage = value["choices"][0], value["usage"]
    words = choice["text"] if "text" in choice else choice["message"]["content"]
    took = time.perf_counter() - began
    return Reply(words, "", began, took, sent=usage["prompt_tokens"], got=usage["completion_tokens"])


def _streamed(answer: http.client.HTTPResponse, began: float) -> Reply:
    times: list[float] = []
    words: list[str] = []
    usage: dict[str, int] = {}
    for line in answer:
        text = line.decode().strip().removeprefix("data: ")
        if not text or text == "[DONE]":
            continue
        value = json.loads(text)
        usage = value.get("usage") or usage
        for choice in value["choices"]:
            times.append(time.perf_counter())
            words.append(choice["text"] if "text" in choice else choice["delta"].get("content") or "")
    if not times:
        return Reply(error="Never received a valid chunk to calculate TTFT.", began=began)
    gaps = tuple(later - sooner for sooner, later in pairwise(times))
    counts = {"sent": usage.get("prompt_tokens", 0), "got": usage.get("completion_tokens", len(times))}
    return Reply("".join(words), "", began, times[-1] - began, times[0] - began, gaps, **counts)


def all_of(jobs: Sequence[Callable[[], Reply]], at_once: int, waits: Sequence[float] = ()) -> list[Reply]:
    """Every job's reply in order, `at_once` at the same time, begun after its wait; a bar as tqdm draws it."""
    replies = []
    with ThreadPoolExecutor(max_workers=max(1, min(at_once, len(jobs), 256))) as pool:
        futures = []
        for at, job in enumerate(jobs):
            time.sleep(waits[at] if waits else 0)
            futures.append(pool.submit(job))
        for done, future in enumerate(futures, 1):
            replies.append(future.result())
            sys.stderr.write(
                f"\r{100 * done // len(jobs):3}%|{'█' * (10 * done // len(jobs)):<10}| {done}/{len(jobs)} ["
            )
    sys.stderr.write("\n")
    return replies


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def deviation(values: Sequence[float]) -> float:
    middle = mean(values)
    return math.sqrt(mean([(value - middle) ** 2 for value in values]))


def percentile(values: Sequence[float], share: float) -> float:
    """As numpy has it: linear between neighbours."""
    if not values:
        return 0.0
    ranked = sorted(values)
    place = (len(ranked) - 1) * share / 100
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)
