"""Filters on numbers, sizes, truth and times."""

from __future__ import annotations

import datetime
import math
import random
import re
import time
from collections.abc import Callable
from typing import Any

from jinja2 import pass_environment

from qcluster.schema import Text, Unsafe
from qcluster.templating.environment import sees_missing
from qcluster.templating.errors import Broken, Missing

_TRUE, _FALSE = ("yes", "on", "true", "1"), ("no", "off", "false", "0")
_SIZES = {letter: 1 << 10 * power for power, letter in enumerate("BKMGTPEZY")}
_SIZE = re.compile(r"^([0-9]*\.?[0-9]+)(?:\s*([A-Za-z]+))?\s*$")
_WORDS = {
    "B": "",
    "K": "kilo",
    "M": "mega",
    "G": "giga",
    "T": "tera",
    "P": "peta",
    "E": "exa",
    "Z": "zetta",
    "Y": "yotta",
}


def to_bool(value: Any) -> bool:
    """yes/on/true/1 are true, in any case; what is neither true nor false is false."""
    text = str(value).lower() if isinstance(value, str | int) else value
    return text in _TRUE if isinstance(text, str) else bool(text == 1)


@sees_missing
def ternary(value: Any, true_val: Any, false_val: Any, none_val: Any = None) -> Any:
    if value is None and none_val is not None:
        return none_val
    return true_val if bool(value) else false_val


def human_readable(size: float, isbits: bool = False, unit: str | None = None) -> str:
    number = float(size)
    letter = unit.upper() if unit else next((s for s in reversed(_SIZES) if number >= _SIZES[s]), "B")
    if letter not in _SIZES:
        letter = "B"
    word = "bits" if isbits else "Bytes"
    suffix = word if letter == "B" else letter + word[0]
    return f"{number / _SIZES[letter]:.2f} {suffix}"


def human_to_bytes(size: Any, default_unit: str | None = None, isbits: bool = False) -> int:
    """`10 GB` in bytes (powers of 1024)."""
    match = _SIZE.match(str(size))
    if match is None:
        raise ValueError(f"human_to_bytes: {size!r} is not a size")
    unit = match[2] or default_unit or ""
    if not unit:
        return round(float(match[1]))
    if unit[0].upper() not in _SIZES or not _unit_fits(unit, "b" if isbits else "B", "bit" if isbits else "byte"):
        raise ValueError(f"human_to_bytes: {size!r} has the unknown unit {unit!r}")
    return round(float(match[1]) * _SIZES[unit[0].upper()])


def _unit_fits(unit: str, letter: str, word: str) -> bool:
    first = unit[0].upper()
    exact = letter if first == "B" else first + letter
    return len(unit) == 1 or unit == exact or unit.lower() == _WORDS[first] + word


def log(x: float, base: float = math.e) -> float:
    return math.log10(x) if base == 10 else math.log(x, base)


def root(x: float, base: float = 2) -> float:
    return math.sqrt(x) if base == 2 else math.pow(x, 1.0 / float(base))


@pass_environment
def choose(_environment: Any, end: Any, start: Any = None, step: Any = None, seed: Any = None) -> Any:
    """A random item, or a number below `end`; the same one for the same seed."""
    source = random.SystemRandom() if seed is None else random.Random(seed)
    if isinstance(end, int):
        return source.randrange(start or 0, end, step or 1)
    if start or step:
        raise ValueError("random: start and step go with a number")
    return source.choice(end)


def shuffle(items: Any, seed: Any = None) -> Any:
    try:
        mixed = list(items)
    except TypeError:
        return items
    (random.Random(seed) if seed else random.SystemRandom()).shuffle(mixed)
    return mixed


def strftime(form: str, second: Any = None, utc: bool = False) -> str:
    moment = None if second is None else float(second)
    return time.strftime(form, time.gmtime(moment) if utc else time.localtime(moment))


def to_datetime(text: str, format: str = "%Y-%m-%d %H:%M:%S") -> datetime.datetime:
    return datetime.datetime.strptime(text, format)


_KINDS: dict[type, str] = {Text: "str", Unsafe: "str"}


@sees_missing
def type_debug(value: Any) -> str:
    """The name of the value's type, as Ansible names it."""
    if isinstance(value, Missing):
        return "CapturedExceptionMarker" if isinstance(value, Broken) else "UndefinedMarker"
    plain = next((kind for kind in (str, dict, list) if isinstance(value, kind)), type(value))
    return plain.__name__


@sees_missing
def mandatory(value: Any, msg: str | None = None) -> Any:
    if not isinstance(value, Missing) or isinstance(value, Broken):
        return value
    raise ValueError(msg or f"Mandatory variable {value._undefined_name!r} not defined.")


FILTERS: dict[str, Callable[..., Any]] = {
    "bool": to_bool,
    "ternary": ternary,
    "human_readable": human_readable,
    "human_to_bytes": human_to_bytes,
    "log": log,
    "pow": math.pow,
    "root": root,
    "random": choose,
    "shuffle": shuffle,
    "strftime": strftime,
    "to_datetime": to_datetime,
    "type_debug": type_debug,
    "mandatory": mandatory,
}
