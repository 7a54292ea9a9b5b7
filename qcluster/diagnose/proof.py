"""What counts as a served answer, and whether answers agree. Pure. Source: issue 6, Proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcluster.facts.http import Answer

COUNTERS = ("vllm:request_success_total", "vllm:prompt_tokens_total", "vllm:generation_tokens_total")
QUESTIONS = (
    ("The capital of France is", "Paris"),
    ("2 + 2 =", "4"),
    ("one, two, three,", "four"),
)
"""Prompts with a greedy answer that a sound model of this family gives."""

HCCN = (
    "Likely cause: /etc/hccn.conf is missing or stale on {where}, or not mounted into its container, so the KV cache "
    "arrives broken (vllm-ascend#7711). `qcluster verify-network` names the NPU; mend it, then "
    "`qcluster restart {restart}`"
)
ALONE = (
    "Likely cause: damaged weights, or a quantization that they do not have; compare the files with the hub's "
    "(`weights_reread: true` reads them again), and read the engine's log"
)
FIRST_TOKENS = 8
AGREEING = 2


@dataclass(frozen=True)
class Ask:
    """One request of the proof: a path and its body."""

    path: str
    body: Mapping[str, Any]


def completion(model: str, prompt: str, tokens: int) -> Ask:
    return Ask("/v1/completions", {"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0})


def chat(model: str, prompt: str, tokens: int) -> Ask:
    messages = [{"role": "user", "content": prompt}]
    return Ask("/v1/chat/completions", {"model": model, "messages": messages, "max_tokens": tokens, "temperature": 0})


def asks(model: str, count: int, tokens: int) -> tuple[Ask, ...]:
    """`count` requests of at most `tokens` tokens, completions and chats in turn."""
    kinds = (completion, chat)
    return tuple(kinds[i % 2](model, QUESTIONS[i // 2 % len(QUESTIONS)][0], tokens) for i in range(count))


def documented(model: str) -> tuple[Ask, Ask]:
    """The requests of the functional verification in vllm-ascend's Qwen3.5-27B guide (section 6), word for word."""
    prompt = "The future of AI is"
    whole = {"model": model, "prompt": prompt, "max_completion_tokens": 50, "temperature": 0}
    turn = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_completion_tokens": 1024}
    return Ask("/v1/completions", whole), Ask("/v1/chat/completions", {**turn, "temperature": 0.7, "top_p": 0.95})


def shortened(what: Ask) -> Ask:
    """The same request for a few tokens."""
    return Ask(what.path, {**what.body, "max_completion_tokens": 16})


def text_of(answer: Answer) -> str:
    """The text of the first choice; of a reasoning model its reasoning where the content is still empty."""
    value = answer.json()
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return ""
    message = choices[0].get("message") or {}
    for found in (
        choices[0].get("text"),
        message.get("content"),
        message.get("reasoning_content"),
        message.get("reasoning"),
    ):
        if found:
            return str(found)
    return ""


def wrong(answer: Answer) -> str:
    """What keeps an answer from counting as served; empty when it counts. HTTP 200 alone proves nothing (#12166)."""
    if answer.status == 0:
        return f"no answer: {answer.error}"
    if not answer.ok:
        return f"HTTP {answer.status}: {answer.text.strip()[:200] or 'empty body'}"
    if not answer.body.strip():
        return "HTTP 200 with an empty body: a decode engine failed after the headers (vllm-ascend#12166)"
    if not text_of(answer).strip():
        return f"HTTP 200 without text: {answer.text[:200]}"
    value = answer.json()
    if not value["choices"][0].get("finish_reason"):
        return "HTTP 200 without a finish_reason: the answer is cut off"
    if not (value.get("usage") or {}).get("completion_tokens"):
        return "HTTP 200 without usage.completion_tokens"
    return ""


def moved(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    """Whether an instance has served a request between two readings of `/metrics`."""
    return any(after.get(name, 0.0) > before.get(name, 0.0) for name in COUNTERS)


@dataclass(frozen=True)
class Pair:
    """The same prompt answered through the proxy and by a decode engine asked directly."""

    prompt: str
    known: str
    through: str
    direct: str

    @property
    def agree(self) -> bool:
        return bool(self.through.strip()) and self.through == self.direct

    @property
    def right(self) -> bool:
        return self.known.lower() in self.through.lower()


def degenerate(text: str) -> bool:
    """One sign or word over and over, as a broken KV cache gives: `!!!!!!!!`, `\\n\\n\\n\\n`, `the the the the`."""
    words = text.split()
    signs = set(text.strip() or text)
    return len(signs) <= 1 or (len(words) >= 4 and len(set(words)) == 1) or "\ufffd" in text


def suspicion(pairs: Sequence[Pair], sense: bool = True) -> str:
    """Why the text through the proxy is suspect; empty when it is credible.

    P and D run different graphs, so greedy text may part late: the first tokens of two prompts of three are enough,
    or one known answer that is right. With `sense`, text that says one word over and over does not count as agreeing.
    """
    if any(pair.right for pair in pairs):
        return ""
    agreeing = sum(pair.agree and not (sense and degenerate(pair.through)) for pair in pairs)
    if agreeing >= min(AGREEING, len(pairs)):
        return ""
    if all(pair.agree for pair in pairs):
        return f"HTTP says 200, but the text makes no sense: {pairs[0].prompt!r} gives {pairs[0].through[:60]!r}"
    worst = next(pair for pair in pairs if not pair.agree)
    return (
        f"the text through the proxy is not what a decode engine says itself ({agreeing} of {len(pairs)} agree): "
        f"{worst.prompt!r} gives {worst.through[:60]!r}, directly {worst.direct[:60]!r}"
    )


def blame(alone: Mapping[str, Sequence[Pair]], sense: bool = True) -> str:
    """Who is most likely wrong, from what each decode engine (`NAME on HOST`) says when asked by itself."""
    bad = [who for who, pairs in alone.items() if suspicion(pairs, sense)]
    places = bad or list(alone)
    where = ", ".join(dict.fromkeys(who.partition(" on ")[2] for who in places))
    cause = HCCN.format(where=where, restart=" ".join(who.partition(" on ")[0] for who in places))
    if bad:
        return f"wrong also when asked directly: {', '.join(bad)}. {cause}"
    return f"each decode engine answers well by itself, so what it gets from prefill is wrong. {cause}"
