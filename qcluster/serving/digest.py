"""Digests: what a label says about what runs, so that only what differs moves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qcluster.serving.plan import HostPlan, Instance, Plan, ProxyPlan


def digest(value: Any) -> str:
    """A short name of a value (dataclasses count as their fields), the same in whatever order its mappings were
    written."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=vars)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sealed_host(deployment: str, host: HostPlan, own: Sequence[Instance]) -> HostPlan:
    """The host with its digest (of its own part only), and its containers with their labels."""
    mark = digest([host, own])
    labels = {"qcluster.deployment": deployment, "qcluster.host": host.name, "qcluster.digest": mark}
    return replace(host, digest=mark, containers=tuple(replace(one, labels=labels) for one in host.containers))


TOLD = "vllm-ascend"
"""The kind of proxy that is told of its members while it runs (`/instances/add`, `/instances/remove`)."""


def lasting(proxy: ProxyPlan) -> ProxyPlan:
    """The proxy without what can change while it runs: another member alone does not make it another proxy."""
    if proxy.kind != TOLD or "--prefiller-hosts" not in proxy.argv:
        return proxy
    return replace(proxy, argv=proxy.argv[: proxy.argv.index("--prefiller-hosts")])


def sealed_proxy(deployment: str, proxy: ProxyPlan) -> ProxyPlan:
    """The proxy with its own digest and labels."""
    mark = digest(lasting(proxy))
    labels = {"qcluster.deployment": deployment, "qcluster.host": proxy.host, "qcluster.digest": mark}
    return replace(proxy, digest=mark, labels={**labels, "qcluster.role": "proxy"})


def plan_digest(plan: Plan) -> str:
    """The digest of the whole plan; notes and explanations are not part of it."""
    return digest({**vars(plan), "digest": "", "notes": [], "explain": {}})
