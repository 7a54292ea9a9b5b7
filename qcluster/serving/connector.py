"""The KV transfer configuration of prefill and decode: generated from one topology, never typed twice.

Each side names its own sizes and the other's (`kv_connector_extra_config: {prefill: …, decode: …}`), since a decode
rank pulls from the prefill ranks that hold its heads. An NPU's handshake port is kv_port + dp_rank · tp·pp·pcp + its
place in the rank; dense replicas all have dp_rank 0, so the plan gives each a kv_port of its own (`Slot.kv_port`).
Source: mooncake_connector.py of vllm-ascend at v0.23.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qcluster.serving.deployment import CONNECTED
from qcluster.serving.options import decoded
from qcluster.serving.topology import Slot

KV_ROLES = {"prefill": "kv_producer", "decode": "kv_consumer"}


def kv_transfer(slot: Slot, firsts: Mapping[str, Slot]) -> dict[str, Any] | None:
    """`--kv-transfer-config` of one process; None where it has no connector. `firsts`: the first process by role.

    Source: pd_disaggregation_mooncake_multi_node.md; `check_kv_extra_config` in vllm_ascend/utils.py at v0.23.0.
    """
    if slot.placement.role not in CONNECTED:
        return None
    settings = slot.placement.settings
    config = {
        "kv_connector": settings.connector,
        "kv_role": KV_ROLES[slot.placement.role],
        "kv_port": str(slot.kv_port),
        "engine_id": slot.engine,
        "kv_connector_extra_config": _extended(_sides(slot, firsts), settings.kv_extra),
    }
    return _pooled(config, settings.kv_pool) if settings.kv_pool else config


def _extended(sides: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`kv_extra` over the sizes of both sides: `prefill: {pp_layer_partition: …}` adds to a side, null removes."""
    whole = {**sides, **extra}
    for role in sides.keys() & extra.keys():
        if isinstance(extra[role], Mapping):
            whole[role] = {key: value for key, value in {**sides[role], **extra[role]}.items() if value is not None}
    return {key: value for key, value in whole.items() if value is not None}


def _sides(slot: Slot, firsts: Mapping[str, Slot]) -> dict[str, Any]:
    """The process itself stands for its own side, the first process for the other."""
    seen = {**firsts, slot.placement.role: slot}
    return {role: _size(seen.get(role, slot)) for role in CONNECTED}


def _size(slot: Slot) -> dict[str, int]:
    settings = slot.placement.settings
    size = {"dp_size": slot.dp_size, "tp_size": settings.tp or 1}
    return {**size, "pp_size": settings.pp} if settings.pp > 1 else size


def _pooled(config: Mapping[str, Any], pool: Mapping[str, Any]) -> dict[str, Any]:
    """A point-to-point connector beside a KV pool (docs/source/user_guide/feature_guide/kv_pool.md)."""
    second = {
        "kv_connector": pool.get("connector", "AscendStoreConnector"),
        "kv_role": config["kv_role"],
        "kv_connector_extra_config": {key: value for key, value in pool.items() if key != "connector"},
    }
    return {
        "kv_connector": "MultiConnector",
        "kv_role": config["kv_role"],
        "engine_id": config["engine_id"],
        "kv_connector_extra_config": {"connectors": [dict(config), second]},
    }


def handshake_port(config: Any, fallback: int | None) -> int | None:
    """The kv_port that a (possibly hand-written) configuration names; of a MultiConnector the first that has one."""
    found = [str(part["kv_port"]) for part in connectors(config) if "kv_port" in part]
    return int(found[0]) if found and found[0].isdigit() else fallback


def connectors(config: Any) -> list[Mapping[str, Any]]:
    """The connectors of a configuration (a mapping, or JSON), those inside a MultiConnector too; of nonsense none."""
    if isinstance(config, str):
        config = decoded(config)
    if not isinstance(config, Mapping):
        return []
    extra = config.get("kv_connector_extra_config")
    inner = extra.get("connectors") if isinstance(extra, Mapping) else None
    return [one for one in (config, *(inner if isinstance(inner, list) else ())) if isinstance(one, Mapping) and one]
