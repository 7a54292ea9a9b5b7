"""What a simulated model says: the same for the same prompt, prefilled elsewhere or not, and right on a few facts."""

from __future__ import annotations

import hashlib
import re

FACTS = (
    (r"capital of france", " Paris"),
    (r"capital of (china|the people's republic)", " Beijing"),
    (r"capital of germany", " Berlin"),
    (r"capital of japan", " Tokyo"),
    (r"capital of italy", " Rome"),
    (r"\b2\s*\+\s*2\b", " 4"),
    (r"\b1\s*\+\s*1\b", " 2"),
    (r"\b7\s*\*\s*6\b|\b6\s*\*\s*7\b|seven times six|six times seven", " 42"),
    (r"法国.*首都|首都.*法国", " 巴黎"),
    (r"中国.*首都|首都.*中国", " 北京"),
    (r"one,? two,? three,?", " four, five, six"),
)
WORDS = [
    "the",
    "model",
    "answers",
    "from",
    "a",
    "simulation",
    "and",
    "the",
    "words",
    "mean",
    "nothing",
    "but",
    "they",
    "are",
    "stable",
    "for",
    "every",
    "prompt",
    "so",
    "that",
    "two",
    "nodes",
    "agree",
    "while",
    "a",
    "real",
    "one",
    "would",
    "think",
    "about",
    "large",
    "language",
    "systems",
    "that",
    "learn",
    "from",
    "text",
]
NATURAL_END = 24
ONE_IN = 29
"""Of so many sums the made-up model gets one wrong, always the same ones."""


def tokens(text: str) -> list[str]:
    """A stand-in for the tokenizer: words and signs, each Chinese character on its own."""
    return re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+|[^\w\s]", text)


def answer(prompt: str, limit: int, least: int = 0) -> tuple[list[str], str]:
    """The pieces of the answer (one a token) and the finish reason."""
    found = (text for pattern, text in FACTS if re.search(pattern, prompt, re.IGNORECASE | re.DOTALL))
    known = solved(prompt) or next(found, "")
    seed = hashlib.sha256(prompt.encode()).digest()
    length = max(NATURAL_END, least)
    pieces = re.findall(r" ?[^ ]+", known)
    if known:
        pieces.append(".")
    at = 0
    while len(pieces) < length:
        pieces.append(" " + WORDS[(seed[at % 32] + at * 7) % len(WORDS)])
        at += 1
    return (pieces[:limit], "length") if limit < len(pieces) else (pieces, "stop")


def solved(prompt: str) -> str:
    """The answer to the last question of a prompt in gsm8k's manner, where it names two numbers and what is done."""
    last = prompt.rpartition("Question:")[2]
    numbers = [int(word) for word in re.findall(r"\d+", last)]
    if last == prompt or len(numbers) != 2:
        return ""
    first, second = numbers
    sign, result = ("-", first - second) if "gives" in last else ("+", first + second)
    asked = last.partition("?")[0].strip()
    wrong = hashlib.sha256(asked.encode()).digest()[0] % ONE_IN == 0
    return f" {first} {sign} {second} = {result + wrong}.\n#### {result + wrong}"


def garbage(limit: int) -> tuple[list[str], str]:
    """What comes out when the transferred KV cache is wrong: fluent HTTP, one token for ever."""
    return ["!"] * max(1, min(limit, NATURAL_END)), "length"
