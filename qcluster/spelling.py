"""Words in messages: the known one that an unknown one was probably meant to be, and how many there are of a thing."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """`1 host`, `2 hosts`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The word of `known` most like `word`; '' where none is at least `cutoff` (0 to 1) alike."""
    from difflib import get_close_matches  # a mistake pays for it, not every start

    return next(iter(get_close_matches(word, list(known), 1, cutoff)), "")


def all_nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """As `nearest`; where several are as much alike, all of them, sorted."""
    from difflib import SequenceMatcher, get_close_matches

    alike = {one: SequenceMatcher(None, one, word).ratio() for one in get_close_matches(word, list(known), 3, cutoff)}
    return sorted(one for one, ratio in alike.items() if ratio == max(alike.values()))
