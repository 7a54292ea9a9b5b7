"""LeaderWorkerSet manifests of the plan (API leaderworkerset.x-k8s.io/v1).

A dense replica is a group of one pod, replicated; a MoE group over hosts is one group whose size is its hosts.
Differences from SSH: a pod has its own address and just its own NPUs (resource `huawei.com/Ascend910`), so every
replica uses the same ports; ranks take their place from `LWS_WORKER_INDEX`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from qcluster.serving.plan import Instance, Plan, ProxyPlan

API = "leaderworkerset.x-k8s.io/v1"
NPU_RESOURCE = "huawei.com/Ascend910"
_POD_ADDRESS = ("HCCL_IF_IP", "VLLM_HOST_IP")
_DROPPED = ("ASCEND_RT_VISIBLE_DEVICES",)


def manifests(plan: Plan) -> list[dict[str, Any]]:
    """A LeaderWorkerSet and a headless Service a role, and the proxy as a Deployment with its Service."""
    documents: list[dict[str, Any]] = []
    for role, members in _roles(plan):
        documents += [_workers(plan, role, members), _service(plan, role, members[0].port)]
    if plan.proxy:
        documents += [_proxy(plan, plan.proxy), _service(plan, "proxy", plan.proxy.port)]
    return documents


def _roles(plan: Plan) -> Iterator[tuple[str, list[Instance]]]:
    ordered = sorted(plan.instances, key=lambda one: one.role)
    for role, members in groupby(ordered, key=lambda one: one.role):
        yield role, list(members)


def _labels(plan: Plan, role: str) -> dict[str, str]:
    return {"app.kubernetes.io/part-of": plan.deployment, "qcluster/role": role}


def _workers(plan: Plan, role: str, members: list[Instance]) -> dict[str, Any]:
    size = _hosts_per_group(members)
    groups = len({one.group for one in members}) if size > 1 or members[0].dp_rank is not None else len(members)
    template = {"metadata": {"labels": _labels(plan, role)}, "spec": _pod(plan, members)}
    return {
        "apiVersion": API,
        "kind": "LeaderWorkerSet",
        "metadata": {"name": f"{plan.deployment}-{role}", "labels": _labels(plan, role)},
        "spec": {
            "replicas": groups,
            "leaderWorkerTemplate": {
                "size": size,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "workerTemplate": template,
            },
        },
    }


def _hosts_per_group(members: Iterable[Instance]) -> int:
    hosts: dict[str, set[str]] = {}
    for one in members:
        hosts.setdefault(one.group, set()).add(one.host)
    return max((len(names) for names in hosts.values()), default=1)


def _pod(plan: Plan, members: list[Instance]) -> dict[str, Any]:
    """One container a rank that shares the pod; a dense replica is alone."""
    first = members[0]
    together = [one for one in members if one.host == first.host and one.group == first.group]
    ranks = together if first.dp_rank is not None else together[:1]
    return {
        "containers": [_container(one) for one in ranks],
        "volumes": [
            {"name": "dshm", "emptyDir": {"medium": "Memory"}},
            {"name": "driver", "hostPath": {"path": "/usr/local/Ascend/driver"}},
            {"name": "hccn", "hostPath": {"path": "/etc/hccn.conf", "type": "File"}},
        ],
    }


def _container(one: Instance) -> dict[str, Any]:
    npus = {NPU_RESOURCE: str(len(one.devices))}
    return {
        "name": one.name,
        "image": one.image,
        "command": list(one.argv),
        "env": [_variable(key, value) for key, value in one.env.items() if key not in _DROPPED],
        "resources": {"limits": npus, "requests": npus},
        "readinessProbe": {
            "httpGet": {"path": "/health", "port": one.port},
            "periodSeconds": 10,
            "failureThreshold": 180,
        },
        "volumeMounts": [
            {"name": "dshm", "mountPath": "/dev/shm"},
            {"name": "driver", "mountPath": "/usr/local/Ascend/driver", "readOnly": True},
            {"name": "hccn", "mountPath": "/etc/hccn.conf", "readOnly": True},
        ],
    }


def _variable(name: str, value: str) -> dict[str, Any]:
    if name in _POD_ADDRESS:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    return {"name": name, "value": value}


def _proxy(plan: Plan, proxy: ProxyPlan) -> dict[str, Any]:
    """The proxy's lists name pods by the stable names that a LeaderWorkerSet gives them."""
    labels = _labels(plan, "proxy")
    container = {
        "name": "proxy",
        "image": proxy.image,
        "command": _by_pod_name(plan, proxy.argv),
        "readinessProbe": {"httpGet": {"path": "/healthcheck", "port": proxy.port}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{plan.deployment}-proxy", "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def pod_names(plan: Plan) -> dict[str, str]:
    """Instance → the DNS name of its pod: group index, then (in a group of several pods) the worker's."""
    names: dict[str, str] = {}
    for role, members in _roles(plan):
        keys = list(dict.fromkeys(_pod_key(one) for one in members))
        groups = list(dict.fromkeys(group for group, _ in keys))
        for one in members:
            group, host = _pod_key(one)
            workers = [worker for owner, worker in keys if owner == group]
            suffix = f"-{workers.index(host)}" if workers.index(host) else ""
            base = f"{plan.deployment}-{role}"
            names[one.name] = f"{base}-{groups.index(group)}{suffix}.{base}"
    return names


def _pod_key(one: Instance) -> tuple[str, str]:
    """What shares a pod: a dense replica is alone; the ranks of a MoE group on one host are together."""
    return (one.name, one.host) if one.dp_rank is None else (one.group, one.host)


def _by_pod_name(plan: Plan, argv: Iterable[str]) -> list[str]:
    """The proxy's argv with each host list in the order of the plan's instances, as pod names."""
    names = pod_names(plan)
    waiting: dict[str, list[str]] = {}
    for one in plan.instances:
        if one.port is not None:
            waiting.setdefault(one.role, []).append(names[one.name])
    role, words = "", []
    for word in argv:
        role = {"--prefiller-hosts": "prefill", "--decoder-hosts": "decode"}.get(word, "" if word[:2] == "--" else role)
        listed = bool(role) and word[:2] != "--"
        words.append(waiting[role].pop(0) if listed else word)
    if "--host" in words:
        words[words.index("--host") + 1] = "0.0.0.0"
    return words


def _service(plan: Plan, role: str, port: int | None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{plan.deployment}-{role}", "labels": _labels(plan, role)},
        "spec": {
            "clusterIP": "None",
            "selector": _labels(plan, role),
            "ports": [{"name": "http", "port": port, "targetPort": port}],
        },
    }


def as_yaml(documents: Iterable[dict[str, Any]]) -> str:
    """All documents as one YAML stream. JSON texts inside stay one line, as the engine wants them."""
    import yaml

    plain = json.loads(json.dumps(list(documents)))
    return yaml.safe_dump_all(plain, sort_keys=False, allow_unicode=True, width=10_000)
