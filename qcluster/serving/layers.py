"""Flags and environment as layers: recipe, release shims, inventory. Each value remembers which layer gave it.

Later layers win; `qcluster plan --explain` shows the origins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Layer:
    """Values from one origin. `None` removes what a lower layer gave.

    Mappings of a recipe are merged key by key (`merges`); an inventory's replaces the whole value.
    """

    origin: str
    values: Mapping[str, Any] = field(default_factory=dict)
    merges: bool = True


@dataclass(frozen=True)
class Chosen:
    """The value that won, and the layers it comes from. A value of None was removed."""

    value: Any
    origin: str


Folded = dict[str, Chosen]


def fold(layers: Iterable[Layer]) -> Folded:
    """The layers on top of one another, in the order in which names first appear, an inventory's new names sorted."""
    folded: Folded = {}
    for layer in layers:
        for name in layer.values if layer.merges else sorted(layer.values):
            _put(folded, name, layer)
    return folded


def _put(folded: Folded, name: str, layer: Layer) -> None:
    value = layer.values[name]
    below = folded.get(name)
    folded.pop(opposite(name), None)
    if layer.merges and isinstance(value, Mapping):
        under = below.value if below and isinstance(below.value, Mapping) else {}
        origin = f"{below.origin}, {layer.origin}" if below and under else layer.origin
        value = merge(under, value) or None  # a mapping that has lost all its keys says nothing
    else:
        origin = layer.origin
    if value is not None:
        folded[name] = Chosen(value, origin)
    elif below:
        folded[name] = Chosen(None, f"removed by {layer.origin}")


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of `above` over those of `below`; None removes."""
    return {key: value for key, value in {**below, **above}.items() if value is not None}


def opposite(flag: str) -> str:
    """`enable-x` for `no-enable-x` and the other way round: setting one takes the other back."""
    return flag[3:] if flag.startswith("no-") else f"no-{flag}"


def spelling(flag: str) -> str:
    """A flag's name as the plan writes it: `_` equals `-`, no dashes in front.

    Of `attention_config.indexer_kv_dtype` only up to the point, as vLLM reads it (vllm/utils/argparse_utils.py).
    """
    name, point, key = flag.partition(".")
    return name.replace("_", "-").lstrip("-") + point + key


def present(folded: Folded) -> Folded:
    """Without what was removed."""
    return {name: chosen for name, chosen in folded.items() if chosen.value is not None}


def words(flags: Folded) -> Iterator[str]:
    """The argv of folded flags."""
    for name, chosen in present(flags).items():
        yield f"--{name}"
        if chosen.value is not True:
            yield from (_word(item) for item in _items(chosen.value))


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) and not any(isinstance(v, dict | list) for v in value) else [value]


def _word(value: Any) -> str:
    return compact(value) if isinstance(value, dict | list) else str(value)


def compact(value: Any) -> str:
    """JSON with sorted keys, so that the order in which a mapping was written never shows."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
