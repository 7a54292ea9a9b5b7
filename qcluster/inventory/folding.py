"""Many host names in few words, as Ansible's ranges: the inverse of `ranges.expand`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_NUMBERED = re.compile(r"((?:\d+\.){3}|[^.:]*?)(\d+)([^\d.:]*(?:\.[A-Za-z][^:]*)?)")
"""The number that counts: the last one before the domain, of an IPv4 address the last."""
_LEAST = 4
"""Fewer are easier to read one by one."""


def told(names: Iterable[str], most: int = 8) -> str:
    """`p[001:100], d[1:199:2], proxy`; of more than `most` such words the first ones, and how many names follow."""
    words = list(folded(names))
    text = ", ".join(word for word, _ in words[:most])
    left = sum(count for _, count in words[most:])
    return f"{text} and {left} more" if left else text


def folded(names: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Patterns that together stand for `names` in their order, and how many each stands for."""
    run: list[_Name] = []
    for one in map(_read, names):
        if run and not _follows(run, one):
            yield from _written(run)
            run = []
        run.append(one)
    yield from _written(run)


@dataclass(frozen=True)
class _Name:
    """A host's name around its number; `number` is None where it has none."""

    text: str
    head: str = ""
    digits: str = ""
    tail: str = ""

    @property
    def number(self) -> int:
        return int(self.digits)


def _read(text: str) -> _Name:
    match = _NUMBERED.fullmatch(text)
    return _Name(text, *match.groups()) if match else _Name(text)


def _follows(run: Sequence[_Name], one: _Name) -> bool:
    """Whether a range with one step and one way of writing numbers holds the next name too."""
    first, last = run[0], run[-1]
    if not (one.digits and first.digits) or (one.head, one.tail) != (first.head, first.tail):
        return False
    step = one.number - last.number
    padded = first.digits.startswith("0") and len(first.digits) > 1
    alike = len(one.digits) == len(first.digits) if padded else not one.digits.startswith("0")
    return alike and step > 0 and (len(run) == 1 or step == last.number - run[-2].number)


def _written(run: Sequence[_Name]) -> Iterator[tuple[str, int]]:
    if len(run) < _LEAST:
        yield from ((one.text, 1) for one in run)
        return
    first, second, last = run[0], run[1], run[-1]
    step = second.number - first.number
    by = f":{step}" if step > 1 else ""
    yield f"{first.head}[{first.digits}:{last.digits}{by}]{first.tail}", len(run)
