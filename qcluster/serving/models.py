"""What an inventory's `model` means: a recipe's model by name, or a mapping that defines or changes one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from qcluster.schema import did_you_mean
from qcluster.serving import catalogue
from qcluster.serving.catalogue import Recipe, Variant

KEYS = {
    "recipe": str,
    "weights": str,
    "served_name": str,
    "shape": str,
    "hybrid": bool,
    "max_model_len": int,
    "kv_bytes_per_token": int,
    "weights_gb": (int, float),
    "experts_gb": (int, float),
    "since": str,
}
"""Keys of an inline model. With `recipe` the rest changes a known one, such as its weights' place.

`weights_gb` (10⁹ bytes, of them `experts_gb`) and `kv_bytes_per_token` are what the memory rules reckon with."""

MEANINGS = {
    "recipe": "a recipe's model (`qcluster recipes`); the other keys then change it, and none is required",
    "weights": "hub id, or an absolute path on the hosts; required without `recipe`",
    "served_name": "what clients call it; default: the last part of `weights`",
    "shape": "`dense` or `moe`; required without `recipe`",
    "hybrid": "whether some layers are linear attention, whose KV cache needs a manager of its own",
    "max_model_len": "tokens that it can take at most",
    "kv_bytes_per_token": "bytes of KV cache a token, for the memory rules",
    "weights_gb": "size of its weights in 10⁹ bytes, for the memory rules",
    "experts_gb": "how much of them are experts, which are spread",
    "since": "the first vllm-ascend release that knows it",
}
"""What each of the `KEYS` is for a reader."""

_OF_VARIANT = ("weights", "served_name", "weights_gb", "experts_gb")
SHAPES = ("dense", "moe")
Mistake = tuple[str, str]
"""What is wrong, and what to do."""


def mistakes(model: Any) -> Iterator[Mistake]:
    """What is wrong with a `model`."""
    if isinstance(model, Mapping):
        yield from _inline_mistakes(model)
    elif model not in catalogue.models():
        yield _unknown(model)


def _inline_mistakes(model: Mapping[str, Any]) -> Iterator[Mistake]:
    for key, value in model.items():
        if key not in KEYS:
            yield f"has no key {key!r}", did_you_mean(str(key), KEYS)
        elif not isinstance(value, KEYS[key]) or (isinstance(value, bool) and KEYS[key] is not bool):  # type: ignore[arg-type]
            yield f"{key} is {value!r}", f"{_word(KEYS[key])} is wanted"
        elif not _possible(value):
            yield f"{key} is {value!r}", "zero or more is wanted"
    if "recipe" in model:
        if model["recipe"] not in catalogue.models():
            yield _unknown(model["recipe"])
        return
    if not model.get("weights"):
        yield "needs weights: a hub id or an absolute path", "or recipe: a known model"
    if model.get("shape") not in SHAPES:
        yield "needs shape: dense or moe", ""


def _possible(value: object) -> bool:
    """Sizes are finite and not below zero."""
    return not isinstance(value, int | float) or 0 <= value < math.inf


def _unknown(name: object) -> Mistake:
    known = catalogue.models()
    hint = did_you_mean(str(name), known) or f"known: {', '.join(known)}; or a mapping with weights and shape"
    return f"there is no recipe for {name!r}", hint


def _word(kind: object) -> str:
    return {str: "a text", bool: "true or false", int: "a whole number"}.get(kind, "a number")  # type: ignore[call-overload, no-any-return]


def shaped(model: Any) -> bool:
    """Whether it is known to be dense or MoE, by a recipe or of itself."""
    if isinstance(model, Mapping):
        return model.get("recipe") in catalogue.models() or model.get("shape") in SHAPES
    return model in catalogue.models()


def read_model(model: Any, otherwise: str) -> tuple[Recipe, Variant]:
    """The recipe and its variant; of a model with mistakes as much as can be read, `otherwise` for an unknown name."""
    known = catalogue.models()
    if not isinstance(model, Mapping):
        return known.get(model) or known[otherwise]
    given = {
        key: value
        for key, value in model.items()
        if key in KEYS and isinstance(value, KEYS[key]) and _possible(value)  # type: ignore[arg-type]
    }
    if given.get("recipe") in known:
        return _changed(*known[given["recipe"]], given)
    return _defined(given)


def _changed(recipe: Recipe, variant: Variant, given: Mapping[str, Any]) -> tuple[Recipe, Variant]:
    return (
        replace(recipe, **{key: given[key] for key in given if key in ("shape", "hybrid", "max_model_len")}),
        replace(variant, **{key: given[key] for key in given if key in _OF_VARIANT}),
    )


def _defined(given: Mapping[str, Any]) -> tuple[Recipe, Variant]:
    """A model of the inventory's own: it gets no flag that the plan does not own."""
    weights = given.get("weights", "")
    name = weights.rstrip("/").rpartition("/")[2] or "model"
    figures = {key: given[key] for key in ("hybrid", "max_model_len", "kv_bytes_per_token") if key in given}
    shape = given["shape"] if given.get("shape") in SHAPES else "dense"
    sizes = {key: given[key] for key in ("weights_gb", "experts_gb") if key in given}
    variant = Variant(name, weights, given.get("served_name", name), given.get("since", ""), **sizes)
    return Recipe("inline", shape=shape, **figures), variant
