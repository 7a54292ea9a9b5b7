"""Known failures: what a log line means, why it happens, and what to do. The data is in catalogue.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Entry:
    """`where` lists the logs it appears in: engine, plog, proxy, docker, network, launcher.

    `kind` is `cause`, `effect` (of something above it in the log), or `warning` (harmless, but said).
    """

    id: str
    pattern: re.Pattern[str]
    where: tuple[str, ...]
    kind: str
    cause: str
    remedy: str
    source: str
    example: str


@dataclass(frozen=True)
class Match:
    """An entry and the line that it explains, with the line's number from 1."""

    entry: Entry
    line: str
    number: int


@cache
def entries() -> tuple[Entry, ...]:
    """All entries in the order of the file: the first is asked first."""
    document = yaml.load(
        Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8"),
        getattr(yaml, "CSafeLoader", yaml.SafeLoader),
    )
    return tuple(_entry(row) for row in document["entries"])


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(
        id=row["id"],
        pattern=re.compile(row["regex"]),
        where=tuple(row["where"]),
        kind=row.get("kind", "cause"),
        cause=row["cause"],
        remedy=row["remedy"],
        source=row["source"],
        example=row["example"],
    )


RANK = {"cause": 0, "effect": 1, "warning": 2}


def diagnose(lines: Iterable[str], where: str = "engine") -> list[Match]:
    """What is known about these lines, each entry once with its first line: causes first, in the order of the log."""
    first: dict[str, Match] = {}
    for number, line in enumerate(lines, 1):
        for entry in entries():
            if entry.id not in first and where in entry.where and entry.pattern.search(line):
                first[entry.id] = Match(entry, line, number)
                break
    return sorted(first.values(), key=lambda match: (RANK[match.entry.kind], match.number))


ERROR = re.compile(r"\b(ERROR|CRITICAL|Traceback|[A-Z]\w*(?:Error|Exception):|panic:|fatal:)|^\S*Error: ")


def unexplained(lines: Iterable[str], where: str = "engine") -> list[str]:
    """Lines that look like errors and that no entry explains: shown, never swallowed."""
    return [
        line
        for line in lines
        if ERROR.search(line) and not any(where in one.where and one.pattern.search(line) for one in entries())
    ]


EXCEPTION = re.compile(r"(?:^|[\s\])])((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt)\b:?.*)")


def exceptions(lines: Iterable[str], where: str = "engine", count: int = 2) -> list[str]:
    """The first exceptions that the lines tell and that no entry explains: what was raised first is the reason."""
    found = (match[1].strip() for line in unexplained(lines, where) if (match := EXCEPTION.search(line)))
    return list(dict.fromkeys(found))[:count]
