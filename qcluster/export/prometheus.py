"""Prometheus scrape targets: every instance that has a port answers `/metrics` (vLLM; the example proxy has none)."""

from __future__ import annotations

from typing import Any

from qcluster.serving.plan import Plan


def targets(plan: Plan) -> list[dict[str, Any]]:
    """The document of a `file_sd_configs` file: one target an instance, with labels to slice by."""
    return [
        {
            "targets": [f"{one.address}:{one.port}"],
            "labels": {
                "deployment": plan.deployment,
                "instance_name": one.name,
                "role": one.role,
                "host": one.host,
                "model": plan.model.served_name,
            },
        }
        for one in plan.instances
        if one.port is not None
    ]
