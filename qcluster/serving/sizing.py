"""What dp and tp to choose, with the arithmetic: DP-first, as the seed's section 9.1 reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qcluster.serving.catalogue import Hardware, Recipe, Variant
from qcluster.serving.memory import OVERHEAD_GB, UTILIZATION, Budget, Spread, estimate
from qcluster.spelling import counted

MOST_HOSTS = 64
"""Where the search for a MoE group ends."""
MOST_SEQUENCES = 32
"""max-num-seqs where no preset says another: that of high throughput (seed, section 9.1)."""
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
    if recipe.shape == "moe":
        return _advise_moe(recipe, variant, machine, wish)
    preset = _preset(recipe, machine, wish)
    tp = max(recipe.presets[preset].tp if preset else recipe.tp, _smallest_tp(recipe, variant, machine, wish))
    budget = estimate(recipe, variant, machine.hbm_gb, Spread(tp))
    dp = max(1, wish.npus // tp)
    limit = int(recipe.presets[preset].args.get("max-num-seqs", MOST_SEQUENCES)) if preset else MOST_SEQUENCES
    room = budget.tokens // wish.context if budget.tokens else limit
    sequences = max(1, min(limit, room))
    hosts = -(-wish.concurrency // (sequences * dp))
    return Advice(preset, tp, dp, sequences, hosts, budget, tp <= wish.npus and _holds(budget, wish))


def _holds(budget: Budget, wish: Wish) -> bool:
    return budget.cache_gb > 0 and (not budget.tokens or budget.tokens >= wish.context)


def _sizes(recipe: Recipe, wish: Wish) -> list[int]:
    return [tp for tp in recipe.tp_allowed or (1, 2, 4, 8, 16) if tp <= wish.npus] or [1]


def _smallest_tp(recipe: Recipe, variant: Variant, machine: Hardware, wish: Wish) -> int:
    sizes = _sizes(recipe, wish)
    fitting = (tp for tp in sizes if _holds(estimate(recipe, variant, machine.hbm_gb, Spread(tp)), wish))
    return next(fitting, sizes[-1])


def _advise_moe(recipe: Recipe, variant: Variant, machine: Hardware, wish: Wish) -> Advice:
    """One group over as few hosts as hold the experts and the requests; the smallest tp, as for a dense model."""
    found = None
    for hosts in range(1, MOST_HOSTS + 1):
        for tp in _sizes(recipe, wish):
            dp = wish.npus * hosts // tp
            budget = estimate(recipe, variant, machine.hbm_gb, Spread(tp, tp * dp))
            sequences = max(1, min(MOST_SEQUENCES, budget.tokens // wish.context if budget.tokens else MOST_SEQUENCES))
            found = Advice("", tp, dp, sequences, hosts, budget, _holds(budget, wish))
            if found.fits and sequences * dp >= wish.concurrency:
                return found
    assert found is not None
    return found


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
    budget, group = advice.budget, advice.tp * advice.dp
    others = variant.weights_gb - variant.experts_gb
    experts = f" + {variant.experts_gb:g} GB of experts / {group} NPUs" if recipe.shape == "moe" else ""
    yield f"weights     {others:g} GB / tp {advice.tp}{experts} = {budget.weights_gb:.1f} GB on each NPU"
    left = f"{machine.hbm_gb} GB × {UTILIZATION:g} − {budget.weights_gb:.1f} − {OVERHEAD_GB:g}"
    yield f"cache       {left} = {budget.cache_gb:.1f} GB on each NPU"
    if budget.tokens:
        each = recipe.kv_bytes_per_token / 1024 / advice.tp
        yield f"tokens      {budget.cache_gb:.1f} GB / {each:g} KiB a token and NPU = {budget.tokens} in each replica"
        held = budget.tokens // wish.context
        yield f"requests    {budget.tokens} / {wish.context} tokens = {held}; scheduled: {advice.sequences}"
    total = advice.dp * advice.sequences
    if recipe.shape == "moe":
        yield f"group       {advice.hosts} × {wish.npus} NPUs / tp {advice.tp} = dp {advice.dp}"
        yield f"concurrency dp {advice.dp} × {advice.sequences} = {total} at once; {wish.concurrency} wanted"
        return
    yield f"replicas    {wish.npus} NPUs / tp {advice.tp} = dp {advice.dp}"
    need = f"{wish.concurrency} wanted: {counted(advice.hosts, 'host')}"
    yield f"concurrency dp {advice.dp} × {advice.sequences} = {total} at once a host; {need}"
