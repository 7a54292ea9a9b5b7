"""The flags of `vllm serve` that matter for a deployment, and how their values are read.

Source: vllm/engine/arg_utils.py and vllm/entrypoints/openai/cli_args.py at v0.22.1 to v0.27.1. As the real parser does,
an unambiguous beginning of a flag is taken for the flag, and `_` equals `-`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from qcluster.lab.tools import here


class Usage(Exception):
    """argparse's complaint: printed after the usage line, exit 2."""


class Unknown(Usage):
    """A flag that there is not."""


def integer(text: str) -> int:
    """Plain, or with vLLM's human units (`32k`, `1.5M`; a capital letter counts in 1024s)."""
    units = {"k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}
    if text[-1:] in units:
        return int(float(text[:-1]) * units[text[-1]])
    return int(text)


def document(text: str) -> Any:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _table() -> dict[str, list[str]]:
    """flags.txt: `[kind]` lines, then names."""
    kinds: dict[str, list[str]] = {}
    names: list[str] = []
    for line in here.read(f"{__file__.rpartition('/')[0]}/flags.txt").splitlines():
        if line.startswith("["):
            names = kinds.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            names += line.split()
    return kinds


TABLE = _table()
SWITCHES = TABLE["switch"]
MANY = frozenset(TABLE["many"])
SHORT = {
    "tp": "tensor-parallel-size",
    "pp": "pipeline-parallel-size",
    "dp": "data-parallel-size",
    "pcp": "prefill-context-parallel-size",
    "dcp": "decode-context-parallel-size",
    "dpr": "data-parallel-rank",
    "dpn": "data-parallel-rank",
    "dpl": "data-parallel-size-local",
    "dpa": "data-parallel-address",
    "dpp": "data-parallel-rpc-port",
    "dpb": "data-parallel-backend",
    "q": "quantization",
    "O": "compilation-config",
    "asc": "api-server-count",
    "ep": "enable-expert-parallel",
    "sc": "speculative-config",
    "r": "node-rank",
    "n": "nnodes",
}
READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(TABLE["text"] + TABLE["many"], str),
    **dict.fromkeys(TABLE["integer"], integer),
    **dict.fromkeys(TABLE["float"], float),
    **dict.fromkeys(TABLE["document"], document),
}


def parse(words: list[str]) -> dict[str, Any]:
    """`vllm serve` words → values by flag name; the model under `model`. Raises Usage as argparse would."""
    found: dict[str, Any] = {}
    at = 0
    while at < len(words):
        word = words[at]
        if not word.startswith("-"):
            if "model" in found:
                raise Usage(f"unrecognized arguments: {word}")
            found["model"] = word
            at += 1
            continue
        at = _flag(words, at, found)
    return found


def _flag(words: list[str], at: int, found: dict[str, Any]) -> int:
    written, equals, text = words[at].partition("=")
    try:
        name, negated = resolve(written)
    except Unknown as unknown:
        follower = [word for word in words[at + 1 : at + 2] if not word.startswith("-")]
        raise Usage(" ".join([str(unknown), *follower])) from unknown
    if name not in READERS:
        if equals:
            raise Usage(f"argument --{name}: ignored explicit argument {text!r}")
        found[name] = not negated
        return at + 1
    values = [text] if equals else words[at + 1 : at + 2]
    if not values or (not equals and values[0].startswith("--")):
        raise Usage(f"argument --{name}: expected one argument")
    end = at + (1 if equals else 2)
    while name in MANY and not equals and end < len(words) and not words[end].startswith("-"):
        values.append(words[end])
        end += 1
    found[name] = _value(name, values)
    return end


def _value(name: str, values: list[str]) -> Any:
    if name in MANY:
        return values
    try:
        return READERS[name](values[0])
    except ValueError as error:
        if READERS[name] is document:
            raise Usage(f"argument --{name}: Value {values[0]} cannot be converted to JSON: {error}") from error
        kind = "int" if READERS[name] is integer else "float"
        raise Usage(f"argument --{name}: invalid {kind} value: {values[0]!r}") from error


def resolve(word: str) -> tuple[str, bool]:
    """The flag's full name, and whether `--no-` switches it off."""
    name = word.lstrip("-").replace("_", "-")
    if not word.startswith("--"):
        if name in SHORT:
            return SHORT[name], False
        raise Unknown(f"unrecognized arguments: {word}")
    known = [*READERS, *SWITCHES, *(f"no-{switch}" for switch in SWITCHES)]
    exact = [name] if name in known else [flag for flag in known if flag.startswith(name)]
    if not exact:
        raise Unknown(f"unrecognized arguments: {word}")
    if len(exact) > 1:
        raise Usage(f"ambiguous option: --{name} could match " + ", ".join(f"--{flag}" for flag in exact))
    full = exact[0]
    return (full.removeprefix("no-"), True) if full.startswith("no-") else (full, False)
