"""A small stand-in for gsm8k, in its format: what the simulated hub has where no folder is given."""

from __future__ import annotations

import json
from collections.abc import Iterator

THINGS = ("apples", "books", "coins", "shells", "pencils", "stamps", "marbles", "tickets")
NAMES = ("Tom", "Mei", "Ali", "Nina", "Juan", "Li Wei", "Sara", "Omar")


def question(at: int) -> dict[str, str]:
    """The question numbered `at`, with an answer as gsm8k writes them."""
    first, second = 17 + 7 * at % 83, 3 + 5 * at % 13
    name, thing = NAMES[at % len(NAMES)], THINGS[at // 3 % len(THINGS)]
    if at % 2:
        text, sign, result = f"{name} has {first} {thing} and buys {second} more", "+", first + second
    else:
        text, sign, result = f"{name} has {first} {thing} and gives {second} away", "-", first - second
    sum_ = f"{first} {sign} {second} = <<{first}{sign}{second}={result}>>{result}"
    return {"question": f"{text}. How many {thing} are left in the end?", "answer": f"{sum_} {thing}.\n#### {result}"}


def hub(split: str) -> list[dict[str, str]]:
    start, count = (0, 20) if split == "train" else (100, 200)
    return [question(at) for at in range(start, start + count)]


def folder(path: str) -> Iterator[dict[str, str]]:
    """The rows of a JSON lines file."""
    with open(path, encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())
