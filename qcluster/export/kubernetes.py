"""LeaderWorkerSet manifests of the plan (API leaderworkerset.x-k8s.io/v1).

A dense replica is a group of one pod, replicated; a MoE group over hosts is one group whose size is its hosts, and
whose leader is its first host. The controller makes the headless Service through which pods find one another, so none
is made here; clients get one for the proxy, or for standalone engines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from qcluster.errors import InputError
from qcluster.export.pods import keys, label, pod, refuse_addresses
from qcluster.serving.plan import Instance, Plan, ProxyPlan

API = "leaderworkerset.x-k8s.io/v1"
LEADERS = {"leaderworkerset.sigs.k8s.io/worker-index": "0"}


def manifests(plan: Plan) -> list[dict[str, Any]]:
    """A LeaderWorkerSet a role; the proxy as a Deployment; a Service for what clients talk to.

    Raises InputError where the groups of a role differ: pods of one set are all alike.
    """
    documents: list[dict[str, Any]] = []
    for role, groups in _roles(plan):
        documents.append(_workers(plan, role, groups))
        if role == "standalone":
            documents.append(_service(plan, role, groups[0][0].port, LEADERS))
    if plan.proxy:
        documents += [_proxy(plan, plan.proxy), _service(plan, "proxy", plan.proxy.port, {})]
    refuse_addresses(plan, documents)
    return documents


def set_name(plan: Plan, role: str) -> str:
    return label(f"{plan.deployment}-{role}")


def _roles(plan: Plan) -> Iterator[tuple[str, list[list[Instance]]]]:
    """Each role with its groups; a dense replica is a group of its own."""
    ordered = sorted(plan.instances, key=lambda one: one.role)
    for role, members in groupby(ordered, key=lambda one: one.role):
        groups: dict[str, list[Instance]] = {}
        for one in members:
            groups.setdefault(one.group if _together(plan, one) else one.name, []).append(one)
        yield role, list(groups.values())


def _together(plan: Plan, one: Instance) -> bool:
    """Whether it is one of several processes that belong together: ranks, or hosts of one rank."""
    return sum(other.group == one.group for other in plan.instances) > 1 and (
        one.dp_rank is not None or one.dp_size > 1 or "--nnodes" in one.argv
    )


def _labels(plan: Plan, role: str) -> dict[str, str]:
    return {"app.kubernetes.io/part-of": label(plan.deployment), "qcluster/role": role}


def _workers(plan: Plan, role: str, groups: list[list[Instance]]) -> dict[str, Any]:
    shapes = [_templates(plan, role, group, _first_pod(groups)) for group in groups]
    for group, shape in zip(groups, shapes, strict=True):
        if what := difference(shapes[0], shape):
            names = f"{_name(groups[0])} and {_name(group)}"
            raise InputError(
                f"export k8s: the groups of a LeaderWorkerSet are alike; {names} ({role}) differ in {what}"
            )
    leader, worker = shapes[0][0], shapes[0][-1]
    return {
        "apiVersion": API,
        "kind": "LeaderWorkerSet",
        "metadata": {"name": set_name(plan, role), "labels": _labels(plan, role)},
        "spec": {
            "replicas": len(groups),
            "leaderWorkerTemplate": {
                "size": len(_hosts(groups[0])),
                "restartPolicy": "RecreateGroupOnPodRestart",
                **({"leaderTemplate": leader} if leader != worker else {}),
                "workerTemplate": worker,
            },
        },
    }


def difference(one: Any, other: Any, at: str = "") -> str:
    """The first place where two documents differ, with what stands there in each; '' where they are equal."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next(filter(None, (difference(one[key], other[key], f"{at}.{key}") for key in one)), "")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next(filter(None, (difference(*pair, f"{at}[{index}]") for index, pair in pairs)), "")
    if isinstance(one, str) and isinstance(other, str) and len(one.split()) == len(other.split()):
        one, other = next(((a, b) for a, b in zip(one.split(), other.split(), strict=True) if a != b), (one, other))
    return "" if one == other else f"{at.lstrip('.')}: {one!r} and {other!r}"


def _name(group: list[Instance]) -> str:
    return group[0].group if len(group) > 1 else group[0].name


def _hosts(group: list[Instance]) -> list[str]:
    return list(dict.fromkeys(one.host for one in group))


def _first_pod(groups: list[list[Instance]]) -> list[Instance]:
    return [one for one in groups[0] if one.host == groups[0][0].host]


def _templates(plan: Plan, role: str, group: list[Instance], first: list[Instance]) -> list[dict[str, Any]]:
    """The pod of each host, the leader's first."""
    specs = [pod(plan, group, host, first) for host in range(len(_hosts(group)))]
    for name, spec in zip(_hosts(group)[1:], specs[1:], strict=True):
        if what := difference(specs[-1], spec):
            names = f"{_hosts(group)[-1]} and {name} of {group[0].group}"
            raise InputError(f"export k8s: the workers of a LeaderWorkerSet are alike; {names} differ in {what}")
    return [{"metadata": {"labels": _labels(plan, role)}, "spec": spec} for spec in specs]


def places(plan: Plan) -> dict[str, tuple[str, int | None]]:
    """Instance → the DNS name of its pod (group index, then in a group of several pods the worker's) and its port."""
    found: dict[str, tuple[str, int | None]] = {}
    for role, groups in _roles(plan):
        base, first = set_name(plan, role), _first_pod(groups)
        for index, group in enumerate(groups):
            for worker, host in enumerate(_hosts(group)):
                for position, one in enumerate(member for member in group if member.host == host):
                    name = f"{base}-{index}{f'-{worker}' if worker else ''}.{base}"
                    found[one.name] = name, first[position].port if one.port is not None else None
    return found


def _proxy(plan: Plan, proxy: ProxyPlan) -> dict[str, Any]:
    """The proxy's lists name pods by the stable names that a LeaderWorkerSet gives them."""
    labels = _labels(plan, "proxy")
    container = {
        "name": "proxy",
        "image": proxy.image,
        "command": _by_pod_name(plan, proxy),
        "envFrom": keys(plan),
        "ports": [{"containerPort": proxy.port}],
        "readinessProbe": {"httpGet": {"path": "/healthcheck", "port": proxy.port}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": set_name(plan, "proxy"), "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _by_pod_name(plan: Plan, proxy: ProxyPlan) -> list[str]:
    """The proxy's argv with pods in place of hosts: lists of hosts and of ports, or URLs with both."""
    known = places(plan)
    pods = {(one.address, str(one.port)): known[one.name] for one in plan.instances if one.port is not None}
    words = list(proxy.argv)
    for side in ("prefiller", "decoder"):
        hosts, ports = _values(words, f"--{side}-hosts"), _values(words, f"--{side}-ports")
        for host, port in zip(hosts, ports, strict=True):
            name, own = pods[words[host], words[port]]
            words[host], words[port] = name, str(own)
    if "--host" in words:
        words[words.index("--host") + 1] = "0.0.0.0"
    urls = {f"{address}:{port}": f"{name}:{own}" for (address, port), (name, own) in pods.items()}
    return [_URL.sub(lambda found: urls.get(found[0], found[0]), word) for word in words]


_URL = re.compile(r"[\w.-]+:\d+")


def _values(words: list[str], flag: str) -> range:
    """The places of the values that follow a flag."""
    if flag not in words:
        return range(0)
    first = words.index(flag) + 1
    more = (place for place in range(first, len(words)) if words[place].startswith("--"))
    return range(first, next(more, len(words)))


def _service(plan: Plan, role: str, port: int | None, only: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": label(f"{plan.deployment}-{role}-api"), "labels": _labels(plan, role)},
        "spec": {
            "selector": {**_labels(plan, role), **only},
            "ports": [{"name": "http", "port": port, "targetPort": port}],
        },
    }


def as_yaml(documents: Iterable[dict[str, Any]]) -> str:
    """All documents as one YAML stream. JSON texts inside stay one line, as the engine wants them."""
    import yaml

    plain = json.loads(json.dumps(list(documents)))
    return yaml.safe_dump_all(plain, sort_keys=False, allow_unicode=True, width=10_000)
