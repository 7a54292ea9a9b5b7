"""What dp and tp to choose, with the arithmetic: DP-first, as the seed's section 9.1 reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qcluster.serving.catalogue import Hardware, Recipe, Variant
from qcluster.serving.memory import OVERHEAD_GB, Budget, estimate

LATENCY_SEQUENCES = 4
"""max-num-seqs of the low-latency preset: up to so many requests a replica, latency is worth more than throughput."""


@dataclass(frozen=True)
class Wish:
    """What the service must hold: `npus` of one host, `concurrency` requests at once, `context` tokens each."""

    npus: int
    concurrency: int
    context: int


@dataclass(frozen=True)
class Advice:
    """A proposal. `preset` is empty where none of the seed's scenarios fits; `hosts` is how many hosts it takes."""

    preset: str
    tp: int
    dp: int
    sequences: int
    hosts: int
    budget: Budget
    fits: bool


def advise(recipe: Recipe, variant: Variant, machine: Hardware, wish: Wish) -> Advice:
    """The smallest tp that holds weights and one request; the rest of the NPUs goes to dp."""
    preset = _preset(recipe, machine, wish)
    tp = max(recipe.presets[preset].tp if preset else recipe.tp, _smallest_tp(recipe, variant, machine, wish))
    budget = estimate(recipe, variant, machine.hbm_gb, tp)
    dp = max(1, wish.npus // tp)
    limit = int(recipe.presets[preset].args.get("max-num-seqs", 32)) if preset else 32
    room = budget.tokens // wish.context if budget.tokens else limit
    sequences = max(1, min(limit, room))
    hosts = -(-wish.concurrency // (sequences * dp))
    fits = tp <= wish.npus and budget.cache_gb > 0 and (not budget.tokens or budget.tokens >= wish.context)
    return Advice(preset, tp, dp, sequences, hosts, budget, fits)


def _smallest_tp(recipe: Recipe, variant: Variant, machine: Hardware, wish: Wish) -> int:
    sizes = [tp for tp in recipe.tp_allowed or (1, 2, 4, 8, 16) if tp <= wish.npus]
    for tp in sizes:
        budget = estimate(recipe, variant, machine.hbm_gb, tp)
        if budget.cache_gb > 0 and (not budget.tokens or budget.tokens >= wish.context):
            return tp
    return sizes[-1] if sizes else 1


def _preset(recipe: Recipe, machine: Hardware, wish: Wish) -> str:
    """The scenario whose length holds the context; of several the quick one for few requests."""
    known = {name: one for name, one in recipe.presets.items() if machine.name in one.hardware and one.tp <= wish.npus}
    long_enough = [name for name, one in known.items() if int(one.args["max-model-len"]) >= wish.context]
    few = [
        name
        for name in long_enough
        if int(known[name].args["max-num-seqs"]) <= LATENCY_SEQUENCES
        and wish.concurrency <= LATENCY_SEQUENCES * (wish.npus // known[name].tp)
    ]
    return next(iter([*few, *long_enough]), "")


def reasons(recipe: Recipe, variant: Variant, machine: Hardware, wish: Wish, advice: Advice) -> Iterator[str]:
    """The arithmetic, line by line."""
    budget = advice.budget
    yield f"weights     {variant.weights_gb:g} GB / tp {advice.tp} = {budget.weights_gb:.1f} GB on each NPU"
    left = f"{machine.hbm_gb} GB × 0.9 − {budget.weights_gb:.1f} − {OVERHEAD_GB:g}"
    yield f"cache       {left} = {budget.cache_gb:.1f} GB on each NPU"
    if budget.tokens:
        each = recipe.kv_bytes_per_token / 1024 / advice.tp
        yield f"tokens      {budget.cache_gb:.1f} GB / {each:g} KiB a token and NPU = {budget.tokens} in each replica"
        held = budget.tokens // wish.context
        yield f"requests    {budget.tokens} / {wish.context} tokens = {held}; scheduled: {advice.sequences}"
    yield f"replicas    {wish.npus} NPUs / tp {advice.tp} = dp {advice.dp}"
    total = advice.dp * advice.sequences
    need = f"{wish.concurrency} wanted: {advice.hosts} host{'s' if advice.hosts > 1 else ''}"
    yield f"concurrency dp {advice.dp} × {advice.sequences} = {total} at once a host; {need}"
