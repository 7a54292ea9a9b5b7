"""How much HBM weights take and how many tokens the KV cache will hold: an estimate, never a promise.

    cache of an NPU = HBM · gpu-memory-utilization − its share of the weights − overhead
    tokens of a rank = cache / (bytes of a token, all layers / NPUs of the rank)

So vLLM reckons, too, with what it measured in a profiling run in the place of `OVERHEAD_GB` (seed, section 5.1; vLLM
v0.23.0, v1/core/kv_cache_utils.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from qcluster.serving.catalogue import Recipe, Variant, hardware
from qcluster.serving.deployment import Deployment
from qcluster.serving.placement import Placement
from qcluster.serving.topology import width

UTILIZATION = 0.9
"""vLLM's default of gpu-memory-utilization (seed, section 5.1)."""
OVERHEAD_GB = 4.0
"""Activations, HCCL buffers and graphs of one NPU, beside weights and cache: a round guess."""


@dataclass(frozen=True)
class Budget:
    """One rank's memory: GB (10⁹ bytes) of each NPU, and tokens that its cache holds."""

    usable_gb: float
    weights_gb: float
    cache_gb: float
    tokens: int


@dataclass(frozen=True)
class Spread:
    """Over how many NPUs a rank goes, and over how many its experts (`group`; the same without expert parallelism)."""

    npus: int
    group: int = 0

    def of(self, variant: Variant) -> float:
        """GB of weights on each NPU. Where nobody says how much of them are experts, all are: the least it can be."""
        group = max(self.group, self.npus)
        experts = variant.experts_gb or (variant.weights_gb if group > self.npus else 0)
        return (variant.weights_gb - experts) / self.npus + experts / group


def estimate(recipe: Recipe, variant: Variant, hbm_gb: float, spread: Spread, share: float = UTILIZATION) -> Budget:
    """The budget of one rank with `share` = gpu-memory-utilization."""
    usable, npus = hbm_gb * share, spread.npus
    weights = spread.of(variant)
    cache = usable - weights - OVERHEAD_GB
    per_token = recipe.kv_bytes_per_token / npus
    return Budget(usable, weights, cache, int(max(cache, 0) * 1e9 / per_token) if per_token else 0)


def budget(deployment: Deployment, placement: Placement, share: float, ranks: int = 1) -> Budget | None:
    """The budget of a placement's ranks; None where weights or hardware are not known.

    `ranks` is the size of the group over which experts are spread; 1 without expert parallelism.
    """
    known = hardware().get(placement.settings.hardware)
    if known is None or not deployment.variant.weights_gb:
        return None
    npus = width(placement)
    return estimate(deployment.recipe, deployment.variant, known.hbm_gb, Spread(npus, npus * ranks), share)
