"""Every lint rule strikes where it should, and says where."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from serving_inventories import written

from qcluster.serving.lint.check import RULES, Finding, check
from qcluster.serving.lint.rule import Neighbour
from qcluster.serving.planner import draft
from qcluster.serving.ports import reserving

ROOT = Path(__file__).parent.parent.parent
CASES: dict[str, Any] = yaml.safe_load((ROOT / "tests/cases/serving/lint.yml").read_text(encoding="utf-8"))


def findings(folder: Path, case: dict[str, Any]) -> list[Finding]:
    """`beside`, `running`: another deployment, checked with this one or started before."""
    others = []
    for key in ("beside", "running"):
        if key in case:
            (folder / key).mkdir()
            plan = draft(written(folder / key, case[key])).plan
            others.append(Neighbour(f"{key}.yaml", plan, running=key == "running"))
    return check(draft(written(folder, case)), others=others)


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_strikes(rule: str, tmp_path: Path) -> None:
    found = findings(tmp_path, CASES[rule])
    assert rule in {one.rule for one in found}, "\n".join(map(str, found))


def test_every_rule_has_a_case_and_an_id_of_its_own() -> None:
    ids = [rule.id for rule in RULES]
    assert ids == sorted(CASES)
    assert len(ids) == len(set(ids)) >= 40


def test_rules_are_described() -> None:
    for rule in RULES:
        assert rule.title and rule.source and rule.example, rule.id
        assert rule.severity in ("error", "warning", "info")


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("{{ weights_dir }}/org/draft", ""),
        ("/elsewhere/draft", "is not mounted"),
        ("org/draft", "is not fetched"),
    ],
)
def test_the_draft_model_must_be_where_engines_see_it(tmp_path: Path, model: str, what: str) -> None:
    config = {"method": "eagle3", "model": model, "num_speculative_tokens": 3}
    found = findings(tmp_path, {"shape": "single", "vars": {"vllm_args": {"speculative-config": config}}})
    assert [what in one.what for one in found if one.rule == "QC604"] == ([True] if what else [])


@pytest.mark.parametrize(
    ("config", "rule"),
    [
        (None, "QC213"),
        ("{", "QC603"),
        ({"kv_connector": "MooncakeConnectorV1", "kv_role": "kv_producer", "kv_connector_extra_config": [1]}, "QC205"),
        ({"kv_connector": "MultiConnector", "kv_connector_extra_config": {"connectors": 3}}, "QC213"),
    ],
)
def test_a_kv_configuration_of_nonsense_is_named(tmp_path: Path, config: Any, rule: str) -> None:
    found = findings(tmp_path, {"prefill": {"vllm_args": {"kv-transfer-config": config}}})
    assert rule in {one.rule for one in found}, "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("sizes", "args", "refused"),
    [
        ({"weights_gb": 400}, {"enable-expert-parallel": True}, False),  # 25 GB on each of 16
        ({"weights_gb": 400}, {}, True),  # every rank holds all: 100 GB on each of its 4
        ({"weights_gb": 1000}, {"enable-expert-parallel": True}, True),
        ({"weights_gb": 400, "experts_gb": 100}, {"enable-expert-parallel": True}, True),  # 300 / 4 are not spread
        ({}, {}, False),
    ],
)
def test_experts_are_reckoned_over_their_group(tmp_path: Path, sizes: Any, args: Any, refused: bool) -> None:
    model = {"weights": "o/m", "shape": "moe", **sizes}
    found = findings(tmp_path, {"shape": "single", "vars": {"model": model, "tp": 4, "dp": 4, "vllm_args": args}})
    assert ("QC408" in {one.rule for one in found}) == refused


FIRST: dict[str, Any] = {"shape": "single", "vars": {"deployment": "first", "npus": [0, 1]}}


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ({"npus": [2, 3], "port_base": 8100, "vllm_env": {"HCCL_IF_BASE_PORT": 61000}}, []),
        ({"npus": [2, 3], "port_base": 8100}, ["QC307 s1: vllm_env: HCCL's ports 60000-60031 on s1 are also those"]),
        ({"npus": [2, 3]}, ["QC306 s1: port_base: s1-standalone-0's api port 8000 on s1 meets s1-standalone-0's api"]),
        ({"npus": [1, 2], "port_base": 8100}, ["QC416 all: npus: NPU 1 of s1 is also used by first (beside.yaml)"]),
        ({"npus": [2, 3], "deployment": "first"}, ["QC308 all: deployment: first (beside.yaml) has this name too"]),
        ({"npus": [0, 1], "ansible_host": "10.0.0.9"}, []),
    ],
)
def test_two_deployments_of_one_host(tmp_path: Path, second: dict[str, Any], told: list[str]) -> None:
    hosts = {"standalone": {"s1": {"ansible_host": second.pop("ansible_host", "10.0.0.1")}}}
    case = {"hosts": hosts, "vars": {"deployment": "second", **second}, "beside": FIRST}
    found = [f"{one.rule} {one.path}: {one.what}" for one in findings(tmp_path, case)]
    together = [text for text in found if text[:5] in ("QC306", "QC307", "QC308", "QC416")]
    for start in told:
        assert any(text.startswith(start) for text in together), together
    assert bool(together) == bool(told), together


def test_ports_meet_across_roles_and_names(tmp_path: Path) -> None:
    """Another inventory's name for the host does not matter; a random window counts, two of them do not."""
    old = {"release": "v0.22.1rc1", "deployment": "old", "npus": "unset"}
    beside = {"shape": "single", "vars": {**old, "port_base": 36010}}
    found = findings(
        tmp_path, {"hosts": {"prefill": {"x": {"ansible_host": "10.0.0.1"}}, "decode": {"d1": {}}}, "beside": beside}
    )
    text = [one.what for one in found if one.rule == "QC306"]
    assert text == [
        "x-prefill-5's kv-handshake port 36010-36011 on x meets s1-standalone-0's api port 36010 of old (beside.yaml)"
    ]


def test_what_runs_is_known_from_its_run(tmp_path: Path) -> None:
    case = {"shape": "single", "vars": {"deployment": "second", "npus": [1, 2]}, "running": FIRST}
    (found,) = [one for one in findings(tmp_path, case) if one.rule == "QC309"]
    assert (
        found.what.startswith("NPU 1, s1-standalone-0's api port 8000") and "first (running.yaml), which" in found.what
    )
    again = {**case, "vars": {"deployment": "first"}}
    (tmp_path / "again").mkdir()
    assert "QC309" not in {one.rule for one in findings(tmp_path / "again", again)}


def test_findings_read_the_same_every_time(tmp_path: Path) -> None:
    found = findings(tmp_path, {"hosts": {"standalone": {f"s{n}": {"ansible_host": f"h{n}"} for n in range(9)}}})
    named = [one.path for one in found if one.rule == "QC514"]
    assert named == [f"s{n}: ip" for n in range(9)]


def test_what_holds_for_several_hosts_is_told_once(tmp_path: Path) -> None:
    hosts = {"standalone": {f"s{n}": {"ansible_host": f"10.0.0.{n}"} for n in (3, 1, 2)}}
    found = findings(tmp_path, {"hosts": hosts, "vars": {"model": {"weights": "o/m", "shape": "moe"}, "dp": 2}})
    assert [one.path for one in found if one.rule == "QC519"] == ["s3, s1, s2: vllm_args"]


@pytest.mark.parametrize(
    ("variables", "struck"),
    [
        ({"port_base": 20100}, True),
        ({"port_base": 22000}, False),
        ({"port_base": 22000, "release": "v0.22.1rc1"}, True),
        ({"kv_port": 22000}, True),
        ({"port_base": 20100, "vllm_env": {"ASCEND_BASE_PORT": 40000}}, False),
        ({"proxy_port": 20000}, True),
    ],
)
def test_ports_stay_out_of_what_mooncake_draws_from(tmp_path: Path, variables: dict[str, Any], struck: bool) -> None:
    """0.3.11 draws from 100 ports an NPU above 20000, older versions from 1000 (issue #14263)."""
    found = findings(tmp_path, {"vars": variables})
    assert ("QC303" in {one.rule for one in found}) == struck


@pytest.mark.parametrize(("npus", "struck"), [([15, 3, 2, 14], True), ([2, 3, 15, 14], False), ([0, 2, 1, 3], True)])
def test_cards_stay_whole_for_each_rank_inside_a_process(tmp_path: Path, npus: list[int], struck: bool) -> None:
    found = findings(tmp_path, {"shape": "single", "vars": {"npus": npus, "tp": 2, "dp": 2}})
    assert ("QC411" in {one.rule for one in found}) == struck


def test_broken_json_of_any_flag_is_told_and_nothing_concluded_from_it(tmp_path: Path) -> None:
    broken = {"compilation-config": '{"cudagraph_mode": ', "kv-transfer-config": "7"}
    found = findings(tmp_path, {"decode": {"vllm_args": broken}})
    assert [one.what.partition(" ")[0] for one in found if one.rule == "QC603"] == [f"--{name}" for name in broken]
    assert "QC212" not in {one.rule for one in found}


@pytest.mark.parametrize("share", [float("inf"), 0, -1, 1.5])
def test_a_memory_share_that_cannot_be_is_told_and_not_reckoned_with(tmp_path: Path, share: float) -> None:
    found = findings(tmp_path, {"shape": "single", "vars": {"vllm_args": {"gpu-memory-utilization": share}}})
    assert {"QC406", "QC408", "QC409"} & {one.rule for one in found} == {"QC406"}


def test_many_hosts_are_told_as_ranges_and_listed_for_machines(tmp_path: Path) -> None:
    many = {f"s{number:02d}": {"ansible_host": f"10.0.0.{number}", "shm_size": "64m"} for number in range(1, 13)}
    (one,) = [one for one in findings(tmp_path, {"hosts": {"standalone": many}}) if one.rule == "QC521"]
    assert (one.path, one.owners) == ("s[01:12]: shm_size", tuple(many))
    assert one.what == "/dev/shm of 64m for 1 engine"


@pytest.mark.parametrize(("size", "struck"), [("7g", True), ("8g", False)])
def test_every_engine_of_a_container_has_its_share_of_shm(tmp_path: Path, size: str, struck: bool) -> None:
    found = findings(tmp_path, {"vars": {"shm_size": size}})
    assert ("QC521" in {one.rule for one in found}) == struck


@pytest.mark.parametrize(("stated", "struck"), [(8, True), (1, False)])
def test_what_is_typed_of_the_others_ranks_must_be_so(tmp_path: Path, stated: int, struck: bool) -> None:
    """Dense replicas have dp 1 each, whatever `dp` says."""
    sizes = {"prefill": {"dp_size": 1, "tp_size": 2}, "decode": {"dp_size": stated, "tp_size": 2}}
    config = {"kv_connector": "MooncakeConnectorV1", "kv_role": "kv_producer", "kv_port": "{{ kv_port }}"}
    case = {"prefill": {"vllm_args": {"kv-transfer-config": {**config, "kv_connector_extra_config": sizes}}}}
    assert ("QC204" in {one.rule for one in findings(tmp_path, case)}) == struck


def test_rules_of_pd_leave_a_standalone_host_alone(tmp_path: Path) -> None:
    hosts = {"prefill": {"p1": {}}, "decode": {"d1": {}}, "standalone": {"s1": {"hardware": "a2"}}}
    env = {"HCCL_BUFFSIZE": 200, "LD_LIBRARY_PATH": "/opt/lib:$LD_LIBRARY_PATH"}
    found = findings(tmp_path, {"hosts": hosts, "standalone": {"vllm_env": env}})
    assert not {"QC220", "QC221", "QC503", "QC510"} & {one.rule for one in found}


def test_an_ignore_of_no_rule_is_told(tmp_path: Path) -> None:
    text = "# qcluster: ignore QC999 a typo\nall: {vars: {hardware: a3}, children: {standalone: {hosts: {s1: {}}}}}\n"
    told = [one.what for one in findings(tmp_path, {"text": text}) if one.rule == "QC100"]
    assert told == ["ignores QC999, which is no rule"]


def test_an_ignore_needs_a_reason_and_reaches_its_line(tmp_path: Path) -> None:
    text = """\
all:
  vars:
    hardware: a3
    # qcluster: ignore QC410 one replica is enough for this test
    dp: 1
    release: v0.23.0rc1  # qcluster: ignore QC111
  children:
    standalone: {hosts: {s1: {ansible_host: 10.0.0.1}}}
"""
    found = {one.rule: one for one in findings(tmp_path, {"text": text})}
    assert found["QC410"].ignored == "one replica is enough for this test"
    assert found["QC111"].ignored == ""
    assert (found["QC100"].line, found["QC100"].severity) == (6, "warning")


@pytest.mark.parametrize(("had", "kept"), [("", "36000-36015"), ("8080,60000-60031", "8080,60000-60031,36000-36015")])
def test_reserving_ports_keeps_those_that_are_reserved_already(tmp_path: Path, had: str, kept: str) -> None:
    """The printed command, run as it is copied, but for where it reads and writes, and for root's rights."""
    (tmp_path / "had").write_text(had + "\n")
    command = reserving("36000-36015").replace("/etc/sysctl.d/", f"{tmp_path}/")
    command = command.replace("/proc/sys/net/ipv4/ip_local_reserved_ports", f"{tmp_path}/had")
    for name, text in {"sudo": 'exec "$@"', "sysctl": f'cat "$2" > {tmp_path}/now'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    subprocess.run(["sh", "-c", command], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=True)
    setting = f"net.ipv4.ip_local_reserved_ports={kept}\n"
    assert (tmp_path / "zz-qcluster.conf").read_text() == (tmp_path / "now").read_text() == setting
    assert "\n" not in command


def test_a_command_stands_on_a_line_of_its_own(tmp_path: Path) -> None:
    (found,) = (one for one in findings(tmp_path, {}) if one.rule == "QC304")
    where, command = str(found).split("\n")
    assert where.endswith("outgoing connections; reserve them on each of these hosts:")
    assert command.startswith("  echo ")
