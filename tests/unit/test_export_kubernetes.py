"""The plan as Kubernetes manifests: valid by the schemas, and each pod runs what the plan says its process runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from qcluster.errors import InputError
from qcluster.export.kubernetes import as_yaml, manifests, places
from qcluster.export.pods import label
from qcluster.inventory import load
from qcluster.serving import HostFacts, bind, make_plan
from qcluster.serving.plan import Instance, Plan

ROOT = Path(__file__).parents[2]
VERSION = "1.31"
LWS = json.loads((ROOT / "tests" / "cases" / "export" / "leaderworkerset-v1.json").read_text())
EXAMPLES = ("1p1d", "2p1d", "single-a3", "deepseek-v3.2-1p1d", "qwen3-moe-1p2d", "kimi-k2.5-a2", "kimi-k2.5-2p1d")


def bound(name: str) -> Plan:
    plan = make_plan(load(ROOT / "inventories" / f"{name}.yaml"))
    known = HostFacts(
        hardware="a3", nic="enp1", home="/root", is_root=True, os_suffix="", jemalloc="/l.so", arch="aarch64"
    )
    return bind(plan, {host.name: replace(known, hardware=host.hardware) for host in plan.hosts})


@pytest.fixture(scope="module", params=EXAMPLES)
def plan(request: pytest.FixtureRequest) -> Plan:
    return bound(request.param)


def sets(plan: Plan) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"] for one in manifests(plan) if one["kind"] == "LeaderWorkerSet"}


def templates(spec: dict[str, Any]) -> list[dict[str, Any]]:
    inside = spec["leaderWorkerTemplate"]
    return [inside.get("leaderTemplate", inside["workerTemplate"]), inside["workerTemplate"]]


def test_every_document_is_valid_by_its_schema(plan: Plan) -> None:
    documents = list(yaml.safe_load_all(as_yaml(manifests(plan))))
    for one in documents:
        if one["kind"] == "LeaderWorkerSet":
            jsonschema.validate(one, LWS)
            for template in templates(one["spec"]):
                pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": template["spec"]}
                kubernetes_validate.validate(pod, VERSION, strict=True)
        else:
            kubernetes_validate.validate(one, VERSION, strict=True)
    assert [one["metadata"]["name"] for one in documents if not NAME.fullmatch(one["metadata"]["name"])] == []


NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""DNS-1035: what a Service, and so a LeaderWorkerSet, may be called."""


def test_the_schemas_refuse_what_is_wrong() -> None:
    wrong = manifests(bound("1p1d"))[0]
    wrong["spec"]["leaderWorkerTemplate"]["restartPolicy"] = "Sometimes"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, LWS)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({"apiVersion": "v1", "kind": "Service", "spec": {"port": 1}}, VERSION, strict=True)


def test_every_process_of_the_plan_has_a_pod_and_its_npus(plan: Plan) -> None:
    found = places(plan)
    assert len({(name, port) for name, port in found.values()}) == len(plan.instances)
    npus = 0
    for spec in sets(plan).values():
        leader, worker = (sum(map(limit, one["spec"]["containers"])) for one in templates(spec))
        npus += spec["replicas"] * (leader + (spec["leaderWorkerTemplate"]["size"] - 1) * worker)
    assert npus == sum(len(one.devices) for one in plan.instances)


def limit(container: dict[str, Any]) -> int:
    return int(container["resources"]["limits"]["huawei.com/Ascend910"])


VLLM = """#!/bin/sh
printf '%s\\n' "$LD_LIBRARY_PATH" "$@"
"""


@pytest.fixture(scope="module")
def bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bin")
    (folder / "vllm").write_text(VLLM)
    (folder / "vllm").chmod(0o755)
    return folder


def started(container: dict[str, Any], pod: str, worker: int, leader: str, bin: Path) -> list[str]:
    """What the container's command starts in that pod: Kubernetes replaces $(NAME), then the real bash runs it."""
    given = {"POD_NAME": pod, "LWS_LEADER_ADDRESS": leader, "LWS_WORKER_INDEX": str(worker)}
    words = [
        re.sub(r"\$\$\(|\$\((\w+)\)", lambda found: given[found[1]] if found[1] else "$(", word)
        for word in (*container["command"], *container["args"])
    ]
    env = {**given, "PATH": f"{bin}:{os.environ['PATH']}", "LD_LIBRARY_PATH": "/from/the/image"}
    ran = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    library, *rest = ran.stdout.splitlines()
    assert library == "/usr/local/lib:/from/the/image"
    return ["vllm", *rest]


def test_each_pod_starts_what_the_plan_says(plan: Plan, bin: Path) -> None:
    specs, found = sets(plan), places(plan)
    chosen = plan.instances if len(plan.instances) < 20 else plan.instances[:3] + plan.instances[-3:]
    for one in chosen:
        host, port = found[one.name]
        pod, base = host.split(".")
        worker = int(pod.removeprefix(f"{base}-").split("-")[1]) if "-" in pod.removeprefix(f"{base}-") else 0
        container = next(
            item
            for item in templates(specs[base])[bool(worker)]["spec"]["containers"]
            if port is None or item["ports"] == [{"containerPort": port}]
        )
        leader = f"{base}-{pod.removeprefix(f'{base}-').split('-')[0]}.{base}"
        words = started(container, pod, worker, leader, bin)
        assert sorted(meant(words, one, leader, port)) == sorted(flags(one.argv))


def flags(argv: tuple[str, ...] | list[str]) -> Iterator[str]:
    """Each flag with its values, as one text: their order does not matter."""
    return iter(re.split(r" (?=--)", " ".join(argv)))


def meant(words: list[str], one: Instance, leader: str, port: int | None) -> Iterator[str]:
    """The started command with what a pod has of its own put back to what the plan has."""
    for flag in flags(words):
        name, _, value = flag.partition(" ")
        planned = next((told for told in flags(one.argv) if told.split(" ")[0] == name), "")
        if name in ("--data-parallel-address", "--master-addr"):
            assert value == leader
            yield planned
        elif name == "--port":
            assert value == str(port)
            yield planned
        elif name == "--kv-transfer-config":
            known = json.loads(planned.partition(" ")[2])
            own = json.loads(value)
            assert own["engine_id"].startswith(leader.split(".")[0])
            put_back = {**own, "engine_id": known["engine_id"], "kv_port": known["kv_port"]}
            yield f"{name} {json.dumps(put_back, separators=(',', ':'))}"
        else:
            yield flag


def test_engine_ids_differ_between_pods_and_inside_one() -> None:
    plan = bound("kimi-k2.5-2p1d")
    for spec in sets(plan).values():
        lines = [" ".join(one["args"]) for one in templates(spec)[0]["spec"]["containers"]]
        told = [name for line in lines for name in re.findall(r'"engine_id":"([^"]+)"', line)]
        assert len(told) == len(lines)
        assert len(set(told)) == len(told)
        assert all("$(POD_NAME)" in name for name in told)


def test_the_proxy_knows_every_pod_by_name_and_port(plan: Plan) -> None:
    proxy = next((one for one in manifests(plan) if one["kind"] == "Deployment"), None)
    assert (proxy is None) == (plan.proxy is None)
    if proxy:
        (container,) = proxy["spec"]["template"]["spec"]["containers"]
        words = container["command"]
        listed = [
            pair
            for side in ("prefiller", "decoder")
            for pair in zip(values(words, f"--{side}-hosts"), values(words, f"--{side}-ports"), strict=True)
        ]
        pods = [(name, str(port)) for name, port in places(plan).values() if port is not None]
        assert sorted(listed) == sorted(pods)


def values(words: list[str], flag: str) -> list[str]:
    rest = words[words.index(flag) + 1 :]
    return rest[: next((place for place, word in enumerate(rest) if word.startswith("--")), len(rest))]


def test_what_is_not_alike_is_refused() -> None:
    plan = bound("2p1d")
    odd = replace(plan.instances[0], devices=(0,))
    with pytest.raises(InputError, match=r"p1-prefill-0 and p1-prefill-1 .prefill. differ in .*Ascend910: '1' and '2'"):
        manifests(replace(plan, instances=(odd, *plan.instances[1:])))


def test_an_address_that_no_pod_has_is_refused() -> None:
    plan = bound("1p1d")
    argv = (*plan.instances[0].argv, "--ssl-host", plan.hosts[1].address)
    named = tuple(replace(one, argv=argv) if one.role == "prefill" else one for one in plan.instances)
    with pytest.raises(InputError, match="where no pod can be named"):
        manifests(replace(plan, instances=named))


@pytest.mark.parametrize(("name", "made"), [("1p1d-x", "q-1p1d-x"), ("Qwen_3.5", "qwen-3-5"), ("a" * 70, "a" * 63)])
def test_names_are_those_that_kubernetes_takes(name: str, made: str) -> None:
    assert label(name) == made
