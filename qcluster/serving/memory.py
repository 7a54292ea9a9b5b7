"""How much HBM weights take and how many tokens the KV cache will hold: an estimate, never a promise."""

from __future__ import annotations

from dataclasses import dataclass

from qcluster.serving.catalogue import Recipe, Variant, hardware
from qcluster.serving.deployment import Deployment
from qcluster.serving.settings import Placement
from qcluster.serving.topology import width

OVERHEAD_GB = 4.0
"""Activations, HCCL buffers and graphs of one NPU, beside weights and cache."""


@dataclass(frozen=True)
class Budget:
    """One rank's memory: GB (10⁹ bytes) of each NPU, and tokens that its cache holds."""

    usable_gb: float
    weights_gb: float
    cache_gb: float
    tokens: int


def estimate(recipe: Recipe, variant: Variant, hbm_gb: float, npus: int, share: float = 0.9) -> Budget:
    """The budget of one rank over `npus` NPUs with `share` = gpu-memory-utilization."""
    usable = hbm_gb * share
    weights = variant.weights_gb / npus
    cache = usable - weights - OVERHEAD_GB
    per_token = recipe.kv_bytes_per_token / npus
    return Budget(usable, weights, cache, int(max(cache, 0) * 1e9 / per_token) if per_token else 0)


def budget(deployment: Deployment, placement: Placement, share: float) -> Budget | None:
    """The budget of a placement's ranks; None where weights or hardware are not known, or experts are spread."""
    known = hardware().get(placement.settings.hardware)
    if known is None or deployment.moe or not deployment.variant.weights_gb:
        return None
    return estimate(deployment.recipe, deployment.variant, known.hbm_gb, width(placement), share)
