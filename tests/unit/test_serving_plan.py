"""The arithmetic, case by case: shapes, layers, shims, binding, difference, sizing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from serving_inventories import PD, written

from qcluster.errors import InputError
from qcluster.serving import HostFacts, bind, catalogue, make_plan, sizing, versions
from qcluster.serving.difference import Running, difference
from qcluster.serving.layers import Layer, fold, spelling, words
from qcluster.serving.options import options
from qcluster.serving.picture import svg
from qcluster.serving.plan import DraftModel, Plan

MOE = {"weights": "org/big-moe", "served_name": "big", "shape": "moe"}
FACTS = HostFacts("a3", "enp1s0", "/root", npus=tuple(range(16)))


def plan_of(folder: Path, **case: Any) -> Plan:
    return make_plan(written(folder, case), lint=False)


def flags(plan: Plan, position: int = 0) -> dict[str, Any]:
    return options(plan.instances[position].argv)


def test_dense_replicas_are_independent(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, vars={"tp": 2, "dp": 8})
    prefill = [one for one in plan.instances if one.role == "prefill"]
    assert [one.port for one in prefill] == list(range(7100, 7108))
    assert [one.kv_port for one in prefill] == list(range(36000, 36016, 2))
    assert {(one.dp_size, one.dp_rank) for one in prefill} == {(1, None)}
    assert len({json.dumps(options(one.argv)["kv-transfer-config"]["engine_id"]) for one in plan.instances}) == 16
    assert not [word for one in plan.instances for word in one.argv if word.startswith("--data-parallel")]


def test_ports_by_hardware_and_role(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, vars={"hardware": "a2"})
    first = {one.role: one.kv_port for one in reversed(plan.instances)}
    assert first == {"prefill": 28000, "decode": 28200}


def test_an_external_group_on_one_host(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, vars={"model": MOE, "tp": 4, "dp": 4})
    assert [one.dp_rank for one in plan.instances] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert flags(plan, 6)["data-parallel-address"] == "10.0.0.2"
    assert flags(plan, 6)["data-parallel-rpc-port"] == "12321"
    assert {one.kv_port for one in plan.instances if one.role == "prefill"} == {36000}
    handshakes = [use.first for use in plan.ports if use.purpose == "kv-handshake"]
    assert handshakes == [36200, 36204, 36208, 36212, 36000, 36004, 36008, 36012]


def test_a_group_over_two_hosts_and_independent_groups(tmp_path: Path) -> None:
    hosts = {
        "prefill": {"p1": {"ansible_host": "10.0.0.1"}, "p2": {"ansible_host": "10.0.0.2"}},
        "decode": {"d1": {"ansible_host": "10.0.1.1"}, "d2": {"ansible_host": "10.0.1.2"}},
    }
    sizes = {"prefill": {"tp": 8, "dp": 2}, "decode": {"tp": 1, "dp": 32, "kv_port": 36200}}
    plan = plan_of(tmp_path, vars={"model": MOE}, hosts=hosts, **sizes)
    prefill = [one for one in plan.instances if one.role == "prefill"]
    assert [(one.host, one.dp_rank, one.group) for one in prefill] == [
        ("p1", 0, "prefill-0"),
        ("p1", 1, "prefill-0"),
        ("p2", 0, "prefill-1"),
        ("p2", 1, "prefill-1"),
    ]
    decode = [one for one in plan.instances if one.role == "decode"]
    assert [one.dp_rank for one in decode] == list(range(32))
    assert {options(one.argv)["data-parallel-address"] for one in decode} == {"10.0.1.1"}
    assert [use.host for use in plan.ports if use.purpose == "dp-rpc"] == ["d1", "p1", "p2"]


def test_child_groups_are_never_joined(tmp_path: Path) -> None:
    hosts = {
        "prefill": {"p1": {"ansible_host": "10.0.0.1"}},
        "decode": {
            "children": {"left": {"d1": {"ansible_host": "10.0.1.1"}}, "right": {"d2": {"ansible_host": "10.0.1.2"}}}
        },
    }
    with pytest.raises(InputError, match="d1 together hold 4 ranks"):
        plan_of(tmp_path, vars={"model": MOE, "tp": 4}, hosts=hosts, prefill={"dp": 4}, decode={"dp": 8})


def test_internal_data_parallelism_over_hosts(tmp_path: Path) -> None:
    hosts = {"standalone": {"n0": {"ansible_host": "10.0.0.1"}, "n1": {"ansible_host": "10.0.0.2"}}}
    args = {"vllm_args": {"api-server-count": 1}}
    plan = plan_of(tmp_path, vars={"model": MOE, "tp": 16, "dp": 2, **args}, hosts=hosts)
    head, other = plan.instances
    assert (head.port, other.port, head.dp_size, head.dp_rank) == (8000, None, 2, None)
    assert flags(plan)["data-parallel-size-local"] == "1"
    assert {"headless", "data-parallel-start-rank"} <= set(flags(plan, 1)) and "port" not in flags(plan, 1)
    assert "api-server-count" in flags(plan) and "api-server-count" not in flags(plan, 1)
    assert len(head.devices) == 16


def test_standalone_internal_and_a_single_rank(tmp_path: Path) -> None:
    many, one = plan_of(tmp_path, shape="single"), plan_of(tmp_path, shape="single", vars={"dp": 1})
    assert (len(many.instances), many.instances[0].dp_size, flags(many)["data-parallel-size"]) == (1, 8, "8")
    assert not [name for name in flags(one) if name.startswith("data-parallel")]
    assert "idle-npus" in {note.id for note in one.notes}


@pytest.mark.parametrize(
    ("hardware", "preset", "tp", "dp", "length"),
    [
        ("a2", "high-throughput", 2, 4, "133000"),
        ("a3", "high-throughput", 2, 8, "133000"),
        ("a3", "low-latency", 2, 8, "133000"),
        ("a3", "long-context", 8, 2, "262144"),
    ],
)
def test_presets_of_section_9(tmp_path: Path, hardware: str, preset: str, tp: int, dp: int, length: str) -> None:
    plan = plan_of(tmp_path, shape="single", vars={"hardware": hardware, "preset": preset})
    one = plan.instances[0]
    assert (one.tp, one.dp_size, flags(plan)["max-model-len"]) == (tp, dp, length)
    assert len(one.devices) == catalogue.hardware()[hardware].npus


@pytest.mark.parametrize(
    ("release", "present", "absent"),
    [
        ("v0.21.0rc1", {"async-scheduling", "no-disable-hybrid-kv-cache-manager"}, set()),
        ("v0.23.0", {"no-disable-hybrid-kv-cache-manager"}, {"async-scheduling"}),
    ],
)
def test_flags_by_release(tmp_path: Path, release: str, present: set[str], absent: set[str]) -> None:
    plan = plan_of(tmp_path, vars={"release": release})
    decode = set(flags(plan, -1))
    assert present <= decode and not absent & decode


def test_prefill_by_release(tmp_path: Path) -> None:
    old, new = (plan_of(tmp_path, vars={"release": release}) for release in ("v0.22.1rc1", "v0.23.0"))
    gone = plan_of(tmp_path, vars={"release": "main"})
    assert old.instances[0].env["VLLM_ASCEND_ENABLE_FLASHCOMM1"] == "1"
    assert "site-packages/mooncake" in old.instances[0].env["LD_LIBRARY_PATH"]
    assert flags(old)["additional-config"] == {"recompute_scheduler_enable": True, "enable_cpu_binding": True}
    assert "VLLM_ASCEND_ENABLE_FLASHCOMM1" not in new.instances[0].env
    assert flags(new)["additional-config"] == {"enable_cpu_binding": True, "enable_flashcomm1": True}
    assert flags(gone)["additional-config"] == {"enable_cpu_binding": True}
    assert flags(new, -1)["additional-config"]["recompute_scheduler_enable"] is True


def test_what_an_inventory_writes_passes_unchanged(tmp_path: Path) -> None:
    wanted = {"recompute_scheduler_enable": True}
    given = {
        "vllm_args": {
            "additional_config": wanted,
            "seed": None,
            "async-scheduling": True,
            "enable-prefix-caching": True,
        }
    }
    plan = plan_of(tmp_path, prefill={**given, "vllm_env": {"HCCL_BUFFSIZE": 2048, "TASK_QUEUE_ENABLE": None}})
    found = flags(plan)
    assert found["additional-config"] == wanted and found["async-scheduling"] is True
    assert "seed" not in found and "no-enable-prefix-caching" not in found and found["enable-prefix-caching"] is True
    assert plan.instances[0].env["HCCL_BUFFSIZE"] == "2048" and "TASK_QUEUE_ENABLE" not in plan.instances[0].env
    assert plan.explain["p1-prefill-0"]["--additional-config"].startswith("inventory ")
    assert plan.explain["p1-prefill-0"]["--seed"].startswith("removed by inventory ")


def test_templates_see_the_ranks_own_facts(tmp_path: Path) -> None:
    env = {"MARK": "{{ role }}-{{ local_rank }}-{{ port }}-{{ devices | join('+') }}-{{ master_ip }}-{{ site }}"}
    plan = plan_of(tmp_path, vars={"site": "north", "vllm_env": env, "dp": 2})
    assert plan.instances[1].env["MARK"] == "prefill-1-7101-2+3-10.0.0.1-north"


def test_an_explicit_kv_config_is_taken_as_it_is(tmp_path: Path) -> None:
    config = {"kv_connector": "MyConnector", "kv_role": "kv_both", "kv_port": "41000"}
    plan = plan_of(tmp_path, prefill={"vllm_args": {"kv-transfer-config": config}})
    assert flags(plan)["kv-transfer-config"] == config
    assert plan.instances[0].kv_port == 41000


@pytest.mark.parametrize(
    ("model", "drafts"),
    [
        ("{{ weights_dir }}/org/draft", [DraftModel("<fact:home>/.cache/qcluster/org/draft", "org/draft")]),
        ("{{ weights_dir }}/draft", [DraftModel("<fact:home>/.cache/qcluster/draft")]),
        ("/data/org/draft", [DraftModel("/data/org/draft")]),
        ("org/draft", []),
    ],
)
def test_the_draft_model_is_part_of_its_hosts(tmp_path: Path, model: str, drafts: list[DraftModel]) -> None:
    config = {"method": "eagle3", "model": model, "num_speculative_tokens": 3}
    plan = plan_of(
        tmp_path, vars={"vllm_args": {"speculative-config": config}, "model": {"weights": "o/m", "shape": "dense"}}
    )
    assert [list(host.drafts) for host in plan.hosts] == [drafts, drafts]
    bound = bind(plan, {"p1": FACTS, "d1": FACTS})
    assert all(one.path.startswith("/") for host in bound.hosts for one in host.drafts)


def test_a_kv_config_written_as_json_is_read(tmp_path: Path) -> None:
    text = '{"kv_connector": "MyConnector", "kv_role": "kv_both", "kv_port": "41000"}'
    plan = plan_of(tmp_path, prefill={"vllm_args": {"kv_transfer_config": text}})
    assert plan.instances[0].kv_port == 41000 and text in plan.instances[0].argv


def test_layerwise_brings_its_own_proxy(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, vars={"connector": "MooncakeLayerwiseConnector", "model": MOE, "tp": 2})
    assert plan.proxy and plan.proxy.kind == "vllm-ascend-layerwise"
    assert "layerwise" in plan.proxy.argv[1]


def test_a_kv_pool_makes_a_multi_connector(tmp_path: Path) -> None:
    pool = {"backend": "mooncake", "lookup_rpc_port": "0"}
    plan = plan_of(tmp_path, vars={"kv_pool": pool})
    config = flags(plan)["kv-transfer-config"]
    connectors = config["kv_connector_extra_config"]["connectors"]
    assert config["kv_connector"] == "MultiConnector"
    assert [one["kv_connector"] for one in connectors] == ["MooncakeConnectorV1", "AscendStoreConnector"]
    assert connectors[1]["kv_connector_extra_config"] == pool
    assert plan.instances[1].kv_port == 36002


def test_sizes_of_every_kind_in_argv_and_json(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path, vars={"model": MOE}, prefill={"tp": 2, "pp": 2, "dp": 2}, decode={"tp": 2, "dcp": 2, "dp": 2}
    )
    assert (flags(plan)["pipeline-parallel-size"], len(plan.instances[0].devices)) == ("2", 4)
    assert flags(plan)["kv-transfer-config"]["kv_connector_extra_config"]["prefill"] == {
        "dp_size": 2,
        "tp_size": 2,
        "pp_size": 2,
    }
    assert flags(plan, -1)["decode-context-parallel-size"] == "2"
    assert [use.count for use in plan.ports if use.purpose == "kv-handshake"] == [2, 2, 4, 4]


def test_a_rank_larger_than_a_host_takes_several(tmp_path: Path) -> None:
    hosts = {
        "prefill": {f"p{n}": {"ansible_host": f"10.0.0.{n}"} for n in range(1, 5)},
        "decode": {"d1": {"ansible_host": "10.0.0.9"}},
    }
    extra = {"use_ascend_direct": True, "prefill": {"pp_layer_partition": "41,37"}}
    sizes = {"hardware": "a2", "model": MOE, "tp": 8, "kv_extra": extra}
    plan = plan_of(tmp_path, hosts=hosts, vars=sizes, prefill={"pp": 2, "master_port": 7060})
    assert [one.port for one in plan.instances] == [7100, None, 7100, None, 7100]
    assert [one.group for one in plan.instances[:4]] == ["prefill-0", "prefill-0", "prefill-1", "prefill-1"]
    first, second = flags(plan, 0), flags(plan, 1)
    assert (first["nnodes"], first["node-rank"], first["master-addr"], first["master-port"]) == (
        "2",
        "0",
        "10.0.0.1",
        "7060",
    )
    assert "headless" not in first and second["headless"] is True and second["node-rank"] == "1"
    assert second["master-addr"] == "10.0.0.1" and flags(plan, 3)["master-addr"] == "10.0.0.3"
    assert first["kv-transfer-config"] == second["kv-transfer-config"]
    sides = {
        "prefill": {"dp_size": 1, "tp_size": 8, "pp_size": 2, "pp_layer_partition": "41,37"},
        "decode": {"dp_size": 1, "tp_size": 8},
    }
    assert first["kv-transfer-config"]["kv_connector_extra_config"] == {**sides, "use_ascend_direct": True}
    shares = [(use.host, use.first, use.count) for use in plan.ports if use.purpose == "kv-handshake"][1:3]
    assert shares == [("p1", 28000, 8), ("p2", 28008, 8)]
    assert [use.host for use in plan.ports if use.purpose == "master"] == ["p1", "p3"]
    assert plan.proxy and plan.proxy.argv.count("7100") == 3


def test_only_the_flag_is_spelt_with_dashes() -> None:
    assert spelling("--attention_config.indexer_kv_dtype") == "attention-config.indexer_kv_dtype"


@pytest.mark.parametrize("npus", ["10-11, 14-15", [10, 11, 14, 15]])
def test_npus_may_be_ranges(tmp_path: Path, npus: Any) -> None:
    plan = plan_of(tmp_path, shape="single", vars={"npus": npus, "dp_mode": "external"})
    assert plan.hosts[0].npus == (10, 11, 14, 15)


def test_npus_need_not_be_contiguous(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, shape="single", vars={"npus": [10, 11, 14, 15], "dp_mode": "external"})
    assert [one.devices for one in plan.instances] == [(10, 11), (14, 15)]
    assert [one.env["ASCEND_RT_VISIBLE_DEVICES"] for one in plan.instances] == ["0,1", "2,3"]
    assert plan.hosts[0].containers[0].device_paths[:4] == tuple(f"/dev/davinci{npu}" for npu in (10, 11, 14, 15))


def test_a_container_for_each_replica(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, vars={"container_per": "engine", "dp": 2})
    containers = plan.hosts[0].containers
    assert [one.devices for one in containers] == [(0, 1), (2, 3)]
    assert {one.env["ASCEND_RT_VISIBLE_DEVICES"] for one in plan.instances} == {"0,1"}
    assert [one.instances for one in containers] == [("p1-prefill-0",), ("p1-prefill-1",)]


def test_two_roles_on_one_host(tmp_path: Path) -> None:
    hosts = {"prefill": {"h1": {"ansible_host": "10.0.0.1"}}, "decode": {"h1": {}}}
    split = {"prefill": {"npus": [0, 1, 2, 3]}, "decode": {"npus": [4, 5, 6, 7], "port_base": 7200}}
    plan = plan_of(tmp_path, hosts=hosts, **split)
    assert [(one.role, one.devices, one.port) for one in plan.instances] == [
        ("prefill", (0, 1), 7100),
        ("prefill", (2, 3), 7101),
        ("decode", (4, 5), 7200),
        ("decode", (6, 7), 7201),
    ]
    assert plan.hosts[0].npus == tuple(range(8)) and len(plan.hosts[0].containers) == 1


def test_images_in_order_and_by_hardware(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, vars={"image_os": "openeuler", "registries": ["mirror.local/ascend", "quay.io/ascend"]})
    assert plan.hosts[0].containers[0].images == (
        "mirror.local/ascend/vllm-ascend:v0.23.0-a3-openeuler",
        "quay.io/ascend/vllm-ascend:v0.23.0-a3-openeuler",
    )
    assert (
        plan_of(tmp_path, shape="single", vars={"hardware": "a5"})
        .instances[0]
        .image.startswith("quay.io/ascend/vllm-ascend:v0.23.0-a5")
    )


def test_a_pinned_digest_is_part_of_the_plan(tmp_path: Path) -> None:
    plain, pinned = (plan_of(tmp_path, vars=more) for more in ({}, {"image_digest": "sha256:abc"}))
    assert {box.image_digest for host in pinned.hosts for box in host.containers} == {"sha256:abc"}
    assert plain.digest != pinned.digest
    assert plain.hosts[0].digest != pinned.hosts[0].digest


def test_host_runtime_has_no_image_and_physical_devices(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, shape="single", vars={"container_runtime": "host", "npus": [4, 5]})
    assert (plan.instances[0].image, plan.instances[0].env["ASCEND_RT_VISIBLE_DEVICES"]) == ("", "4,5")
    assert plan.hosts[0].containers[0].device_paths == ()


def test_folders_of_a_user_and_of_root(tmp_path: Path) -> None:
    root = plan_of(tmp_path, shape="single").hosts[0]
    user = plan_of(tmp_path, shape="single", vars={"ansible_user": "ops"}).hosts[0]
    sudo = plan_of(tmp_path, shape="single", vars={"ansible_user": "ops", "ansible_become": True}).hosts[0]
    assert (root.state_dir, sudo.state_dir) == ("/var/lib/qcluster/inventory",) * 2
    assert user.state_dir == "<fact:home>/.local/state/qcluster/inventory"


def test_weights_that_are_there(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, shape="single", vars={"model": {"weights": "/data/m", "shape": "dense"}})
    assert plan.model.path == "/data/m" and ("/data/m", "/data/m") in plan.hosts[0].containers[0].mounts
    assert "--max-num-seqs" not in plan.instances[0].argv


def test_a_known_model_from_another_place(tmp_path: Path) -> None:
    model = {"recipe": "Qwen3.5-27B-w8a8", "weights": "/data/qwen", "served_name": "mine"}
    plan = plan_of(tmp_path, vars={"model": model})
    assert plan.instances[0].argv[2] == "/data/qwen" and flags(plan)["served-model-name"] == "mine"
    assert flags(plan)["quantization"] == "ascend" and plan.model.hybrid


def test_binding(tmp_path: Path) -> None:
    unbound = plan_of(tmp_path, vars={"hardware": "auto", "dp": 8})
    assert {"hardware", "nic", "chip_suffix"} <= set(unbound.facts)
    facts = {"p1": FACTS, "d1": HostFacts("a3", "eth1", "/root", os_suffix="-openeuler", npus=tuple(range(16)))}
    bound = bind(unbound, facts)
    assert (bound.digest, bound.facts) == (unbound.digest, ())
    assert bound.instances[-1].image.endswith(":v0.23.0-a3-openeuler")
    assert bound.instances[0].env["HCCL_SOCKET_IFNAME"] == "enp1s0" and bound.instances[0].hardware == "a3"


def test_the_proxys_host_may_say_its_port_and_image(tmp_path: Path) -> None:
    gateway = {
        "ansible_host": "10.0.0.9",
        "proxy_port": 8080,
        "image": "local/vllm-ascend:v0.23.0",
        "proxy": "vllm-router",
    }
    hosts = {"prefill": {"p1": {}}, "decode": {"d1": {}}, "proxy": {"g": gateway}}
    plan = plan_of(tmp_path, hosts=hosts)
    assert plan.proxy and (plan.proxy.port, plan.proxy.kind) == (8080, "vllm-router")
    assert plan.proxy.images == ("local/vllm-ascend:v0.23.0",) and plan.instances[0].image.startswith("quay.io")
    assert [use.first for use in plan.ports if use.purpose == "proxy"] == [8080]


def test_a_host_for_the_proxy_alone(tmp_path: Path) -> None:
    hosts = {
        "prefill": {"p1": {"ansible_host": "10.0.0.1"}},
        "decode": {"d1": {"ansible_host": "10.0.0.2"}},
        "proxy": {"gateway": {"ansible_host": "10.0.0.9", "ansible_user": "ops"}},
    }
    plan = plan_of(tmp_path, hosts=hosts, vars={"hardware": "auto", "dp": 8})
    gateway = plan.hosts[-1]
    assert (gateway.name, gateway.roles, gateway.npus, gateway.containers) == ("gateway", ("proxy",), (), ())
    assert plan.proxy and (plan.proxy.host, plan.proxy.address) == ("gateway", "10.0.0.9")
    assert gateway.state_dir.startswith("<fact:home>")
    bound = bind(plan, {"p1": FACTS, "d1": FACTS, "gateway": HostFacts("", "eth7", "/home/ops")})
    assert bound.facts == () and bound.proxy and bound.proxy.image.endswith(":v0.23.0-a3")
    assert (bound.hosts[-1].nic, bound.hosts[-1].state_dir) == ("eth7", "/home/ops/.local/state/qcluster/inventory")


def test_a_host_that_is_not_what_the_inventory_says(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    with pytest.raises(InputError) as raised:
        bind(plan, {"p1": HostFacts("a2", "eth0", npus=tuple(range(8))), "d1": FACTS})
    assert [problem.path for problem in raised.value.problems] == ["p1", "p1"]


def test_what_a_chip_needs_comes_with_the_binding(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, shape="single", vars={"hardware": "auto", "dp": 1})
    bound = bind(plan, {"s1": HostFacts("a5", "eth0", npus=tuple(range(8)))})
    told = plan_of(tmp_path, shape="single", vars={"hardware": "a5", "dp": 1, "npus": 2}).hosts[0].containers[0]
    box = bound.hosts[0].containers[0]
    assert box.device_paths == told.device_paths and "/dev/ummu" in box.device_paths
    assert {"/etc/hixlep", "/lib/route.conf"} <= {outside for outside, _ in box.mounts}
    assert bound.digest == plan.digest and box.image.endswith("-a5")


@pytest.mark.parametrize(
    ("variables", "facts", "path"),
    [
        ({}, {}, "/usr/lib/aarch64-linux-gnu/libjemalloc.so.2"),
        ({}, {"arch": "x86_64"}, "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"),
        ({}, {"os_suffix": "-openeuler"}, "/usr/lib64/libjemalloc.so.2"),
        ({"image_os": "ubuntu"}, {"os_suffix": "-openeuler"}, "/usr/lib/aarch64-linux-gnu/libjemalloc.so.2"),
        ({"image": "r/vllm-ascend:v0.23.0-a3-openeuler"}, {}, "/usr/lib64/libjemalloc.so.2"),
        ({"container_runtime": "host"}, {}, None),
        ({"container_runtime": "host"}, {"jemalloc": "/opt/libjemalloc.so"}, "/opt/libjemalloc.so"),
        ({"jemalloc": "off"}, {"jemalloc": "/opt/libjemalloc.so"}, None),
        ({"vllm_env": {"LD_PRELOAD": "/x.so:$LD_PRELOAD"}}, {}, "/x.so:$LD_PRELOAD"),
    ],
)
def test_jemalloc_is_the_images_own(tmp_path: Path, variables: Any, facts: Any, path: str | None) -> None:
    plan = plan_of(tmp_path, shape="single", vars=variables)
    bound = bind(plan, {"s1": HostFacts("a3", "eth0", npus=tuple(range(16)), **facts)})
    assert bound.instances[0].env.get("LD_PRELOAD") == path


def test_npus_that_a_host_has_not_are_told_as_ranges_with_what_to_write(tmp_path: Path) -> None:
    seen = HostFacts("a3", "eth0", npus=(0, 1, 2, 3))
    with pytest.raises(InputError) as raised:
        bind(plan_of(tmp_path, shape="single", vars={"hardware": "a3", "dp": 2, "tp": 2}), {"s1": seen})
    said = "s1: the inventory gives it also NPUs 4-15, the host shows 0-3 (none of them is used: `npus: 0-3`)"
    assert str(raised.value) == said
    with pytest.raises(InputError) as raised:
        bind(plan_of(tmp_path, shape="single", vars={"hardware": "a3", "dp": 8, "tp": 2}), {"s1": seen})
    assert "the plan uses NPUs 4-15, the host shows 0-3 (lower dp or tp, and set npus" in str(raised.value)


def test_a_missing_host_stays_unbound(tmp_path: Path) -> None:
    half = bind(plan_of(tmp_path), {"p1": FACTS})
    assert "nic" in half.facts and "<fact:" in half.instances[-1].env["HCCL_SOCKET_IFNAME"]


def test_difference_with_what_runs(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    name = plan.hosts[0].containers[0].name
    running = [
        Running("p1", name, plan.deployment, plan.hosts[0].digest),
        Running("p1", f"{name}-proxy", plan.deployment, "0" * 16),
        Running("p1", f"{name}-old", plan.deployment, "1" * 16),
        Running("p1", "somebody", "", ""),
    ]
    states = {(one.host, one.container): one.state for one in difference(plan, running)}
    assert states == {
        ("p1", name): "same",
        ("d1", name): "missing",
        ("p1", f"{name}-proxy"): "changed",
        ("p1", f"{name}-old"): "extra",
    }
    assert difference(plan, [], ["d1"])[1].state == "unknown"


def test_the_picture_is_svg_with_every_npu(tmp_path: Path) -> None:
    picture = ElementTree.fromstring(svg(plan_of(tmp_path)))
    titles = [title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert len([title for title in titles if title and title.startswith("NPU ")]) == 32


def test_boxes_of_the_picture_are_as_wide_as_their_npus_and_the_proxy_has_none(tmp_path: Path) -> None:
    """A row of NPUs ends where its box ends, and a host that only runs the proxy is named at the proxy."""
    away = {**PD, "proxy": {"gateway": {"ansible_host": "10.0.0.3"}}}
    picture = ElementTree.fromstring(svg(plan_of(tmp_path, hosts=away, vars={"npus": [0, 1, 2, 3]})))
    shapes = list(picture.iter("{http://www.w3.org/2000/svg}rect"))
    boxes = [shape.attrib for shape in shapes if shape.get("class") == "box"]
    ends = [int(shape.get("x", 0)) + int(shape.get("width", 0)) for shape in shapes if shape.get("rx") == "3"]
    assert len(boxes) == 2
    assert {int(box["x"]) + int(box["width"]) - 14 for box in boxes} == {ends[3], ends[7]}
    assert "gateway · proxy 10.0.0.3:1999" in "".join(picture.itertext())


@pytest.mark.parametrize(
    ("wish", "preset", "tp", "dp", "hosts"),
    [
        (sizing.Wish(16, 500, 32768), "high-throughput", 2, 8, 2),
        (sizing.Wish(16, 16, 8192), "low-latency", 2, 8, 1),
        (sizing.Wish(16, 8, 200000), "long-context", 8, 2, 1),
    ],
)
def test_advice(wish: sizing.Wish, preset: str, tp: int, dp: int, hosts: int) -> None:
    recipe, variant = catalogue.models()["Qwen3.5-27B-w8a8"]
    found = sizing.advise(recipe, variant, catalogue.hardware()["a3"], wish)
    assert (found.preset, found.tp, found.dp, found.hosts, found.fits) == (preset, tp, dp, hosts, True)


def test_layers() -> None:
    below = Layer("recipe", {"a": {"x": 1, "y": 2}, "b": 1, "no-c": True})
    folded = fold(
        [
            below,
            Layer("shim", {"a": {"y": None, "z": 3}, "b": None}),
            Layer("inventory", {"c": True, "d": [1, 2]}, False),
        ]
    )
    assert list(words(folded)) == ["--a", '{"x":1,"z":3}', "--c", "--d", "1", "2"]
    assert (folded["a"].origin, folded["b"].origin) == ("recipe, shim", "removed by shim")


def test_a_mapping_that_lost_its_keys_is_no_flag(tmp_path: Path) -> None:
    shim = Layer("shim", {"a": {"x": None}, "b": {"y": None}})
    folded = fold([Layer("recipe", {"a": {"x": 1}}), shim])
    assert list(words(folded)) == [] and folded["a"].value is None and "b" not in folded
    plan = plan_of(tmp_path, vars={"model": MOE, "tp": 4, "dp": 4})
    owned = {"host", "port", "tensor-parallel-size", "served-model-name", "kv-transfer-config"}
    assert {name for name in flags(plan) if not name.startswith("data-parallel")} == owned


def test_underscores_and_dashes_are_one(tmp_path: Path) -> None:
    given = {"__max_num_seqs": 5, "--max-model-len": 9, "max_num_batched_tokens": 7}
    found = flags(plan_of(tmp_path, shape="single", vars={"vllm_args": given}))
    assert (found["max-num-seqs"], found["max-model-len"], found["max-num-batched-tokens"]) == ("5", "9", "7")


@pytest.mark.parametrize(
    ("release", "driver"), [("v0.18.0", "25.0"), ("v0.23.0", "25.2"), ("v0.25.1rc1", "25.2"), ("main", "25.2")]
)
def test_a_release_that_names_no_driver_wants_the_last_known(release: str, driver: str) -> None:
    assert catalogue.oldest_driver(release) == driver


def test_versions_are_ordered() -> None:
    ordered = ["v0.17.0rc1", "v0.18.0rc1", "v0.18.0", "v0.22.1rc1", "v0.23.0rc1", "v0.23.0", "v0.23.0.post1", "main"]
    keys = [versions.key(version) for version in ordered]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)
    assert versions.of_image("r:5000/a/vllm-ascend:v0.18.0rc1-a3") == "v0.18.0rc1"
    assert versions.of_image("r/vllm-ascend:latest") == ""


def test_every_reason_has_a_whole_source() -> None:
    for one in (*catalogue.deviations(), *catalogue.shims()):
        assert one.what and one.why and one.source
        assert not one.source.rstrip().endswith(("issue", "PR", ","))
