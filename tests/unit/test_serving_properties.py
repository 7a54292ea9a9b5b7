"""What holds for every plan, whatever the inventory: devices, ports, ranks, proxy, digest."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qcluster.inventory.model import Group, Host, Inventory
from qcluster.serving import make_plan
from qcluster.serving.claims import NPUS, PORTS, read_npus, read_ports
from qcluster.serving.plan import Plan, as_json, from_json, made_again
from qcluster.serving.ports import overlaps

MOE = {"weights": "org/moe", "shape": "moe"}
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def inventory(roles: dict[str, list[dict[str, Any]]], shared: dict[str, Any]) -> Inventory:
    """Hosts of roles with their own variables, in memory."""
    hosts, groups = {}, {}
    for role, members in roles.items():
        names = []
        for number, own in enumerate(members):
            name = f"{role[0]}{number}"
            variables = {**shared, "ansible_host": f"10.{len(groups)}.0.{number + 1}", **own}
            hosts[name] = Host(name, variables, (role,))
            names.append(name)
        groups[role] = Group(role, tuple(names), (), {}, tuple(names))
    return Inventory("test.yaml", hosts, groups)


@st.composite
def deployments(draw: st.DrawFn) -> Inventory:
    """PD of a dense or MoE model: sizes that fit, NPU lists in any order and not contiguous."""
    moe = draw(st.booleans())
    hardware, count = draw(st.sampled_from([("a2", 8), ("a3", 16)]))
    decode_tp = draw(st.sampled_from([1, 2, 4]))
    prefill_tp = decode_tp * draw(st.sampled_from([1, 2]))
    roles: dict[str, list[dict[str, Any]]] = {}
    for role, tp in (("prefill", prefill_tp), ("decode", decode_tp)):
        hosts = draw(st.integers(1, 3))
        fits = count // tp
        spans = moe and draw(st.booleans())
        dp = fits * hosts if spans else draw(st.integers(1, fits))
        npus = draw(st.permutations(range(count))) if draw(st.booleans()) else list(range(count))
        roles[role] = [{"tp": tp, "dp": dp, "npus": list(npus)} for _ in range(hosts)]
        if hosts == 2 and draw(st.booleans()):  # one rank over both hosts
            roles[role] = [{"tp": tp, "pp": 2 * fits, "dp": 1, "npus": list(npus)} for _ in range(hosts)]
    model: Any = {**MOE} if moe else draw(st.sampled_from(["Qwen3.5-27B-w8a8", "Qwen3.6-27B-w8a8"]))
    shared = {"hardware": hardware, "model": model, "ansible_user": "root"}
    shared["release"] = draw(st.sampled_from(["v0.21.0rc1", "v0.22.1rc1", "v0.23.0", "main"]))
    return inventory(roles, shared)


def plan_of(given_inventory: Inventory) -> Plan:
    """Lint may refuse a size for a model; the arithmetic must hold nevertheless."""
    return make_plan(given_inventory, lint=False)


@QUICK
@given(deployments())
def test_no_two_processes_share_a_device_a_port_or_a_handshake_range(given_inventory: Inventory) -> None:
    plan = plan_of(given_inventory)
    owners = Counter((one.host, npu) for one in plan.instances for npu in one.devices)
    assert not [key for key, count in owners.items() if count > 1]
    assert not list(overlaps(plan.ports))


@QUICK
@given(deployments())
def test_devices_are_what_the_container_maps(given_inventory: Inventory) -> None:
    plan = plan_of(given_inventory)
    mapped = {container.name + container.host: container for host in plan.hosts for container in host.containers}
    for one in plan.instances:
        container = mapped[one.container + one.host]
        visible = [int(index) for index in one.env["ASCEND_RT_VISIBLE_DEVICES"].split(",")]
        assert tuple(container.devices[index] for index in visible) == one.devices
        nodes = int(one.argv[one.argv.index("--nnodes") + 1]) if "--nnodes" in one.argv else 1
        assert len(one.devices) == one.tp * one.pp * one.pcp // nodes


@QUICK
@given(deployments())
def test_labels_claim_every_fixed_port_and_every_npu(given_inventory: Inventory) -> None:
    plan = plan_of(given_inventory)
    labels = [(box.host, box.labels) for host in plan.hosts for box in host.containers]
    labels += [(plan.proxy.host, plan.proxy.labels)] if plan.proxy else []
    told = {(host, *claim) for host, own in labels for claim in read_ports(own.get(PORTS, ""))}
    claimed = {(host, what, port) for host, what, first, last in told for port in range(first, last + 1)}
    fixed = [use for use in plan.ports if use.plane == "host" and use.purpose != "adxl"]
    assert claimed == {(use.host, use.purpose, port) for use in fixed for port in range(use.first, use.last + 1)}
    npus = {(host, npu) for host, own in labels for npu in read_npus(own.get(NPUS, ""))}
    assert npus == {(host.name, npu) for host in plan.hosts for npu in host.npus}


@QUICK
@given(deployments())
def test_ranks_cover_their_group(given_inventory: Inventory) -> None:
    plan = plan_of(given_inventory)
    groups: dict[str, list[Any]] = {}
    for one in plan.instances:
        groups.setdefault(one.group, []).append(one)
    for members in groups.values():
        if plan.model.moe and members[0].dp_size > 1:
            assert sorted(one.dp_rank for one in members) == list(range(members[0].dp_size))
        else:
            assert {(one.dp_size, one.dp_rank) for one in members} == {(1, None)}


@QUICK
@given(deployments())
def test_every_process_is_in_the_proxys_list_once(given_inventory: Inventory) -> None:
    plan = plan_of(given_inventory)
    assert plan.proxy is not None
    words = list(plan.proxy.argv)
    for role, side in (("prefill", "prefiller"), ("decode", "decoder")):
        hosts = _after(words, f"--{side}-hosts")
        ports = _after(words, f"--{side}-ports")
        planned = [(one.address, str(one.port)) for one in plan.instances if one.role == role and one.port is not None]
        assert list(zip(hosts, ports, strict=True)) == planned
        assert len(set(planned)) == len(planned)


def _after(words: list[str], flag: str) -> list[str]:
    rest = words[words.index(flag) + 1 :]
    end = next((position for position, word in enumerate(rest) if word.startswith("--")), len(rest))
    return rest[:end]


@QUICK
@given(deployments(), st.integers(0, 10_000))
def test_the_plan_is_deterministic_and_its_digest_survives_reordering(given_inventory: Inventory, seed: int) -> None:
    plan = plan_of(given_inventory)
    assert plan_of(given_inventory) == plan
    shaken = plan_of(_shaken(given_inventory, random.Random(seed)))
    assert shaken.digest == plan.digest
    assert [host.digest for host in shaken.hosts] == [host.digest for host in plan.hosts]


def _shaken(given_inventory: Inventory, chance: random.Random) -> Inventory:
    hosts = {
        name: Host(name, _mixed(host.variables, chance), host.groups, host.origins)
        for name, host in given_inventory.hosts.items()
    }
    return Inventory(given_inventory.path, hosts, given_inventory.groups)


def _mixed(value: Any, chance: random.Random) -> Any:
    if not isinstance(value, dict):
        return value
    items = list(value.items())
    chance.shuffle(items)
    return {key: _mixed(item, chance) for key, item in items}


@QUICK
@given(deployments())
def test_a_plan_survives_its_json(given_inventory: Inventory) -> None:
    plan = plan_of(given_inventory)
    assert from_json(as_json(plan)) == made_again(as_json(plan)) == plan


@QUICK
@given(deployments())
def test_both_sides_name_the_same_sizes(given_inventory: Inventory) -> None:
    import json

    plan = plan_of(given_inventory)
    for one in plan.instances:
        config = json.loads(one.argv[one.argv.index("--kv-transfer-config") + 1])
        own = config["kv_connector_extra_config"][one.role]
        assert (own["dp_size"], own["tp_size"]) == (one.dp_size, one.tp)
        assert ("--data-parallel-rank" in one.argv) == (one.dp_rank is not None)


def test_a_digest_does_not_depend_on_the_order_of_nested_mappings() -> None:
    one = {
        "hardware": "a3",
        "vllm_args": {"b-flag": {"y": 1, "x": [2, 1]}, "a-flag": 1},
        "vllm_env": {"B": "1", "A": "2"},
    }
    other = {
        "vllm_env": {"A": "2", "B": "1"},
        "vllm_args": {"a-flag": 1, "b-flag": {"x": [2, 1], "y": 1}},
        "hardware": "a3",
    }
    plans = [plan_of(inventory({"standalone": [{}]}, variables)) for variables in (one, other)]
    assert plans[0].digest == plans[1].digest
    assert plans[0].instances == plans[1].instances


def test_the_order_of_hosts_in_a_group_is_meaning() -> None:
    shared = {"hardware": "a3", "model": MOE, "tp": 8, "dp": 4}
    roles = {"prefill": [{}, {}], "decode": [{}, {}]}
    plan = plan_of(inventory(roles, shared))
    assert [(one.host, one.dp_rank) for one in plan.instances[:4]] == [("p0", 0), ("p0", 1), ("p1", 2), ("p1", 3)]


def test_a_hosts_digest_covers_its_own_part_only() -> None:
    shared = {"hardware": "a3"}
    small = plan_of(inventory({"prefill": [{}], "decode": [{}]}, shared))
    large = plan_of(inventory({"prefill": [{}], "decode": [{}, {}]}, shared))
    assert {host.name: host.digest for host in small.hosts}.items() <= {h.name: h.digest for h in large.hosts}.items()
    assert small.proxy and large.proxy and small.proxy.digest == large.proxy.digest  # it is told of members
    assert small.proxy.argv != large.proxy.argv and small.digest != large.digest
