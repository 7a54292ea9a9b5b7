"""What the modules of this room decide from what they find: no host is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from life_stand import INVENTORY, ROOT, call, document, variables

from qcluster.command import Command, Put
from qcluster.diagnose.preflight import Finding, judge
from qcluster.errors import TaskFailed
from qcluster.facts import docker, http, ports
from qcluster.facts.docker import parse_inspect
from qcluster.modules.base import Call, Decision, Module
from qcluster.modules.bind_plan import rolling, settled, unchanged
from qcluster.modules.deployment_stopped import deployment_stopped
from qcluster.modules.engine_container import engine_container, wanted
from qcluster.modules.engine_previous import engine_previous
from qcluster.modules.engine_restart import choose
from qcluster.modules.npus_free import npus_free
from qcluster.modules.preflight import of as preflight_question
from qcluster.result import Outcome
from qcluster.serving.ports import reserving
from qcluster.templating import Templar

HOME = "/var/lib/qcluster/small/qcluster-small"


def outcome(out: str, code: int = 0) -> Outcome:
    return Outcome(Command(("probe",)), code, out.encode())


def engine(tmp_path: Path, **more: Any) -> Call:
    plan = document(tmp_path)
    box = plan["hosts"][0]["containers"][0]
    defaults = {name: option.default for name, option in engine_container.spec.options.items()}
    given = {"container": box, "home": HOME, "engines": box["instances"], "key_file": "/var/lib/qcluster/small/api_key"}
    return call("engine", variables(plan, "p1"), {**defaults, **given, **more})


def found(box: Any, exits: str = "", sums: str = "", key: str = "") -> Outcome:
    shown = json.dumps([box]) if box else ""
    return outcome(f"==container\n{shown}\n==exits\n{exits}==sums\n{sums}==key\n{key}\n==end\n")


def running(labels: dict[str, str], on: bool = True) -> dict[str, Any]:
    return {"Name": "/qcluster-small", "State": {"Running": on}, "Config": {"Labels": labels, "Image": "i"}}


def sums(one: Call) -> str:
    import hashlib

    return "".join(f"{hashlib.sha256(data).hexdigest()}  ./{name}\n" for name, data in wanted(one).files.items())


MARKS = {"each file is whole": "write", "NAME-previous": "run", "does not take the request": "again"}
"""A phrase of each script, and what a step with it does."""


def scripts(decision: Decision) -> list[str]:
    """What the steps do, in order."""
    return [step.path if isinstance(step, Put) else _kind(step) for step in decision.steps]


def _kind(step: Command) -> str:
    return next((kind for phrase, kind in MARKS.items() if phrase.encode() in step.stdin), str(step))


def test_nothing_there_writes_the_scripts_and_runs(tmp_path: Path) -> None:
    decision = engine_container.decide(engine(tmp_path), found(None))
    assert scripts(decision) == ["write", "run"]


def test_the_same_digest_and_scripts_and_nobody_dead_is_ok(tmp_path: Path) -> None:
    one = engine(tmp_path)
    decision = engine_container.decide(one, found(running(dict(wanted(one).labels)), sums=sums(one)))
    assert decision.steps == () and decision.failed == ""


def test_a_script_that_somebody_edited_is_written_again(tmp_path: Path) -> None:
    one = engine(tmp_path)
    decision = engine_container.decide(one, found(running(dict(wanted(one).labels)), sums=sums(one).replace("a", "b")))
    assert scripts(decision) == ["write"]


def test_one_dead_replica_is_asked_for_again_and_nothing_else(tmp_path: Path) -> None:
    one = engine(tmp_path)
    have = found(running(dict(wanted(one).labels)), exits="p1-prefill-1 137\n", sums=sums(one))
    decision = engine_container.decide(one, have)
    assert scripts(decision) == ["again"]
    assert decision.values["restarted"] == ["p1-prefill-1"]
    step = decision.steps[0]
    assert isinstance(step, Command) and step.argv[-1] == "p1-prefill-1"


@pytest.mark.parametrize("change", [{docker.DIGEST: "other"}, {docker.SCRIPTS: "other"}])
def test_another_plan_is_replaced_only_when_that_is_allowed(tmp_path: Path, change: dict[str, str]) -> None:
    one = engine(tmp_path)
    have = found(running({**wanted(one).labels, **change}), sums=sums(one))
    assert scripts(engine_container.decide(one, have)) == ["run"]
    refused = engine_container.decide(engine(tmp_path, replace=False), have)
    assert refused.steps == () and "--yes" in refused.failed


def test_what_runs_as_planned_is_started_anew_where_that_is_asked(tmp_path: Path) -> None:
    one = engine(tmp_path, again=True)
    decision = engine_container.decide(one, found(running(dict(wanted(one).labels)), sums=sums(one)))
    assert scripts(decision) == ["run"] and decision.values["started"] is True


def test_a_container_that_ended_is_started_anew_without_asking(tmp_path: Path) -> None:
    one = engine(tmp_path, replace=False)
    decision = engine_container.decide(one, found(running(dict(wanted(one).labels), on=False), sums=sums(one)))
    assert scripts(decision) == ["run"]


def test_a_foreign_container_is_left_alone(tmp_path: Path) -> None:
    decision = engine_container.decide(engine(tmp_path), found(running({"owner": "somebody"})))
    assert decision.steps == () and "did not start" in decision.failed


def test_the_api_key_goes_into_a_private_file_and_into_no_command(tmp_path: Path) -> None:
    decision = engine_container.decide(engine(tmp_path, api_key="canary-77"), found(None))
    put = next(step for step in decision.steps if isinstance(step, Put))
    assert (put.path, put.mode, put.secret, put.data) == ("/var/lib/qcluster/small/api_key", 0o600, True, b"canary-77")
    commands = [step for step in decision.steps if isinstance(step, Command)]
    assert not any("canary-77" in step.line or b"canary-77" in step.stdin for step in commands)


def test_another_api_key_is_another_container(tmp_path: Path) -> None:
    with_key, without = wanted(engine(tmp_path, api_key="k")), wanted(engine(tmp_path))
    assert with_key.labels[docker.SCRIPTS] != without.labels[docker.SCRIPTS]


def test_a_cut_answer_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cut off"):
        engine_container.decide(engine(tmp_path), outcome("==container\n"))


LISTED = """\
qcluster-small\trunning\tsmall\tabc\tUp
qcluster-small-proxy\trunning\tsmall\tdef\tUp
other\trunning\tbig\tx\tUp
"""


def stop(**more: Any) -> Call:
    defaults = {name: option.default for name, option in deployment_stopped.spec.options.items()}
    return Call("p1", {**defaults, "deployment": "small", "home": "/h", **more}, {})


@pytest.mark.parametrize(
    ("options", "stopped"),
    [
        ({}, ["qcluster-small", "qcluster-small-proxy"]),
        ({"only": ["qcluster-small-proxy"]}, ["qcluster-small-proxy"]),
        ({"without": ["qcluster-small-proxy"]}, ["qcluster-small"]),
    ],
)
def test_only_what_carries_the_label_is_stopped(options: dict[str, Any], stopped: list[str]) -> None:
    decision = deployment_stopped.decide(stop(**options), outcome(f"==containers\n{LISTED}==groups\n==end\n"))
    assert decision.values == {"stopped": stopped, "left": ["other"]}
    step = decision.steps[0]
    assert isinstance(step, Command) and list(step.argv[-len(stopped) :]) == stopped


def test_groups_of_processes_are_ended_by_their_entry_script() -> None:
    found_groups = "==containers\n==groups\n/h/qcluster-small/run\n==end\n"
    decision = deployment_stopped.decide(stop(), outcome(found_groups))
    assert decision.values["stopped"] == ["qcluster-small"]


def test_a_docker_that_does_not_answer_is_not_an_empty_list() -> None:
    found = "==containers\n==silent\nCannot connect to the Docker daemon\n==groups\n==end\n"
    with pytest.raises(TaskFailed, match=r"\(Cannot connect to the Docker daemon\): whether anything still runs"):
        deployment_stopped.decide(stop(), outcome(found))
    assert deployment_stopped.decide(stop(docker=False), outcome(found)).steps == ()


def test_what_is_stopped_already_is_ok() -> None:
    assert deployment_stopped.decide(stop(), outcome("==containers\n==groups\n==end\n")).steps == ()


@pytest.mark.parametrize(
    ("state", "word"), [("absent", "docker rm -f qcluster-small-previous"), ("restored", "sh -s --")]
)
def test_a_kept_container_is_removed_or_restored(state: str, word: str) -> None:
    listing = LISTED + "qcluster-small-previous\texited\tsmall\told\tExited\nmine-previous\texited\t\t\tExited\n"
    one = Call("p1", {"state": state, "deployment": "small", "home": ""}, {})
    decision = engine_previous.decide(one, outcome(listing))
    assert len(decision.steps) == 1 and str(decision.steps[0]).startswith(word)
    assert "mine" not in str(decision.steps[0])
    assert engine_previous.decide(one, outcome(LISTED)).steps == ()


def test_npus_of_which_nothing_can_be_read_are_not_free() -> None:
    decision = npus_free.decide(Call("p1", {"npus": [0]}, {}), outcome("garbage"))
    assert "unknown" in decision.failed


FACTS: dict[str, Any] = {
    "hardware": "a3", "npus": [0, 1, 2, 3], "davinci": [0, 1, 2, 3], "busy": {}, "unhealthy": {}, "npu_problem": "",
    "docker": "28.2", "docker_problem": "", "containers": [], "listening": [], "ephemeral": [32768, 60999],
    "reserved": [[36000, 36999], [60000, 60031]], "hccn": True,
}  # fmt: skip


def asked(tmp_path: Path, **change: Any) -> list[str]:
    return [finding.id for finding in judged(document(tmp_path), "p1", change)]


GATEWAY = INVENTORY + "    proxy: {hosts: {g: {ip: 10.0.0.9}}}\n"
PROXY = [{"name": "qcluster-small-proxy", "state": "running", "deployment": "small", "digest": "x"}]
BARE = {"hardware": "", "npus": [], "davinci": [], "npu_problem": "not found", "hccn": False}


@pytest.mark.parametrize(
    ("change", "ids"),
    [
        ({}, []),
        ({"docker": "", "docker_problem": "Cannot connect"}, ["docker"]),
        ({"listening": [["10.0.0.9", 1999]]}, ["port"]),
        ({"listening": [["10.0.0.9", 1999]], "containers": PROXY}, []),
        ({"listening": [["10.0.0.9", 1999]], "containers": [{**PROXY[0], "state": "exited"}]}, ["port"]),
        ({"containers": [{**PROXY[0], "deployment": ""}]}, ["foreign"]),
    ],
)
def test_preflight_of_a_host_that_only_runs_the_proxy(tmp_path: Path, change: dict[str, Any], ids: list[str]) -> None:
    assert [one.id for one in judged(document(tmp_path, GATEWAY), "g", {**BARE, **change})] == ids


@pytest.mark.parametrize(("driver", "told"), [("25.5.1", []), ("25.2.0", ["driver-feature"]), ("", [])])
def test_a_variable_may_need_a_newer_driver(tmp_path: Path, driver: str, told: list[str]) -> None:
    text = INVENTORY.replace("npus: 4}", "npus: 4, vllm_env: {ASCEND_ENABLE_USE_FABRIC_MEM: 1}}")
    found = judged(document(tmp_path, text), "p1", {"driver": driver})
    assert [one.id for one in found] == told
    assert all("it needs 25.5" in one.what and "(p1-prefill-0)" in one.what for one in found)


def test_ports_in_use_are_one_line_a_holder_and_purpose(tmp_path: Path) -> None:
    hccl = [["10.0.0.1", port] for port in range(60000, 60032)]
    held = [["10.0.0.1", port, "python3 (pid 4711)"] for _, port in hccl]
    found = judged(document(tmp_path), "p1", {"listening": [["::", 7100], *hccl], "holders": held})
    assert [str(one) for one in found] == [
        "port 7100 (api) is in use: see whose (as root: ss -ltnp 'sport = :7100') and end it, or move `port_base`",
        "ports 60000-60031 (hccl-host) are in use by python3 (pid 4711): end it (kill 4711)",
    ]


def test_ports_that_are_not_reserved_come_with_the_command_that_reserves_them(tmp_path: Path) -> None:
    (found,) = judged(document(tmp_path), "p1", {"reserved": [[60000, 60031], [8080, 8080]]})
    assert found.remedy == reserving("36000-36003")


def judged(plan: dict[str, Any], name: str, change: dict[str, Any]) -> tuple[Finding, ...]:
    seen = {**variables(plan, name), "qcluster_facts": {**FACTS, **change}}
    question = preflight_question(Call(name, {}, seen))
    assert question is not None
    return judge(question)


@pytest.mark.parametrize(
    ("runtime", "cann", "told"),
    [("host", "9.1.0", []), ("host", "8.5.1", ["cann"]), ("host", "", ["cann"]), ("docker", "", [])],
)
def test_engines_without_an_image_need_cann_on_the_host(
    tmp_path: Path, runtime: str, cann: str, told: list[str]
) -> None:
    text = INVENTORY.replace("vars: {", f"vars: {{container_runtime: {runtime}, ")
    assert [finding.id for finding in judged(document(tmp_path, text), "p1", {"cann": cann})] == told


@pytest.mark.parametrize("name", ["p1", "g"])
def test_the_image_is_on_every_host_that_needs_it(tmp_path: Path, name: str) -> None:
    """The image role's own defaults: a host without engines has the proxy's image."""
    plan = document(tmp_path, GATEWAY)
    defaults = yaml.safe_load((ROOT / "roles/image/defaults/main.yml").read_text())
    templar = Templar({**defaults, **variables(plan, name)})
    assert templar.render(defaults["image_name"]) == plan["proxy"]["image"] != ""
    assert templar.render(defaults["image_mirrors"]) == list(plan["proxy"]["images"])


OTHER = {"name": "x", "state": "running", "deployment": "big", "digest": "y"}
OURS = [{"name": "qcluster-small", "state": "running", "deployment": "small", "digest": "x"}]


@pytest.mark.parametrize(
    ("change", "ids"),
    [
        ({}, []),
        ({"docker": "", "docker_problem": "Cannot connect"}, ["docker"]),
        ({"hardware": "a2"}, ["hardware"]),
        ({"hardware": "", "npu_problem": "not found"}, ["npu-smi"]),
        ({"npus": [0, 1]}, ["npus"]),
        ({"davinci": [0, 1, 2]}, ["davinci"]),
        ({"busy": {"2": "NPU 2 runs pid 7"}}, ["busy"]),
        ({"busy": {"9": "NPU 9 runs pid 7"}}, []),
        ({"busy": {"2": "NPU 2 runs pid 7"}, "containers": OURS}, []),
        ({"unhealthy": {"1": "Alarm"}}, ["health"]),
        ({"listening": [["0.0.0.0", 7100]]}, ["port"]),
        ({"listening": [["10.0.0.1", 7100]]}, ["port"]),
        ({"listening": [["10.0.0.9", 7100]]}, []),
        ({"listening": [["0.0.0.0", 7100]], "containers": OURS}, []),
        ({"reserved": []}, ["reserved-ports"]),
        ({"hccn": False}, ["hccn"]),
        ({"memory_available_kib": 1024}, ["memory"]),
        ({"driver": "24.1.rc3"}, ["driver"]),
        ({"driver": "25.5.1"}, []),
        ({"clock_skew": -90.0}, ["clock"]),
        ({"containers": [{**OURS[0], "name": "x", "deployment": "big"}]}, ["others"]),
        ({"containers": [{**OTHER, "npus": "8-11 15", "ports": "api=8000-8003"}]}, []),
        ({"containers": [{**OTHER, "npus": "3 8-11"}]}, ["claimed-npus"]),
        ({"containers": [{**OTHER, "ports": "api=7000-7200 hccl-host=60000-60031"}]}, ["claimed-port", "claimed-port"]),
        ({"containers": [{**OTHER, "npus": "3"}], "busy": {"3": "x"}}, ["claimed-npus"]),
        ({"containers": [{**OTHER, "ports": "api=7100"}], "listening": [["0.0.0.0", 7100]]}, ["claimed-port"]),
        (
            {"containers": [{**OTHER, "ports": "hccl-host=60000-60031"}], "listening": [["0.0.0.0", 60000]]},
            ["port", "claimed-port"],
        ),
        ({"containers": [{**OTHER, "ports": "nonsense api=x"}]}, ["others"]),
        ({"containers": [{**OTHER, "npus": "3", "state": "exited"}]}, []),
        ({"containers": [{**OURS[0], "deployment": ""}]}, ["foreign"]),
    ],
)
def test_preflight_names_what_stands_in_the_way(tmp_path: Path, change: dict[str, Any], ids: list[str]) -> None:
    assert asked(tmp_path, **change) == ids


def test_a_plan_serves_already_when_every_container_has_its_digest(tmp_path: Path) -> None:
    plan = document(tmp_path)
    seen: dict[str, Any] = {
        host["name"]: {
            "containers": [
                {"name": box["name"], "digest": box["labels"][docker.DIGEST], "state": "running"}
                for box in host["containers"]
            ]
        }
        for host in plan["hosts"]
    }
    assert unchanged(plan, seen)
    seen["d1"]["containers"][0]["state"] = "exited"
    assert not unchanged(plan, seen)
    assert not unchanged(plan, {**seen, "d1": None})


def test_a_deployment_is_settled_when_its_proxy_runs_too_and_nothing_old_is_kept(tmp_path: Path) -> None:
    plan = document(tmp_path)
    proxy = plan["proxy"]
    box = {"name": proxy["container"], "digest": proxy["labels"][docker.DIGEST], "state": "running"}
    mine = {**box, "deployment": plan["deployment"]}
    old = {**mine, "name": f"{plan['deployment']}-previous", "state": "exited"}
    for containers, settled_so in (
        ([mine], True),
        ([], False),
        ([{**mine, "digest": "x"}], False),
        ([mine, old], False),
        ([mine, {**old, "deployment": "another"}], True),
    ):
        assert settled(plan, {proxy["host"]: {"containers": containers}, "d1": None}) is settled_so


def test_hosts_take_turns_only_where_a_peer_of_their_role_serves() -> None:
    def host(name: str, role: str) -> dict[str, Any]:
        return {"name": name, "roles": [role], "containers": [{"name": "box", "labels": {docker.DIGEST: "new"}}]}

    def facts(digest: str, state: str = "running") -> dict[str, Any]:
        return {"containers": [{"name": "box", "digest": digest, "state": state}]}

    plan: dict[str, Any] = {"hosts": [host("p1", "prefill"), host("p2", "prefill"), host("d1", "decode")]}
    plan["instances"] = [{"host": name, "group": f"g-{name}"} for name in ("p1", "p2", "d1")]
    assert rolling(plan, {"p1": facts("old"), "p2": facts("old"), "d1": facts("old")}) == {"p1", "p2"}
    assert rolling(plan, {"p1": facts("old"), "p2": facts("old", "exited"), "d1": facts("new")}) == set()
    assert rolling(plan, {"p1": facts("new"), "p2": facts("old"), "d1": facts("new")}) == {"p2"}
    assert rolling(plan, {"p1": None, "p2": None, "d1": None}) == set()
    together = {**plan, "instances": [{"host": name, "group": name[0]} for name in ("p1", "p2", "d1")]}
    assert rolling(together, {"p1": facts("old"), "p2": facts("old"), "d1": facts("old")}) == set()


def test_restart_takes_replicas_alone_and_moe_groups_whole(tmp_path: Path) -> None:
    plan = document(tmp_path)
    assert [unit.name for unit in choose(plan, ["p1-prefill-1"])] == ["p1-prefill-1"]
    assert [unit.name for unit in choose(plan, ["decode"])] == ["d1-decode-0", "d1-decode-1"]
    assert choose(plan, ["nobody"]) == []
    plan["model"]["moe"] = True
    for one in plan["instances"]:
        one["group"] = f"{one['role']}-0"
    assert [len(unit.members) for unit in choose(plan, ["p1-prefill-1"])] == [2]


@pytest.mark.parametrize("text", ["", "[]", "\n"])
def test_no_container_of_that_name(text: str) -> None:
    assert parse_inspect(text) is None


def test_listeners_and_ranges_are_read_from_the_kernel() -> None:
    table = (
        "==range\n32768\t60999\n==reserved\n36000-36255,60000\n==tcp\n"
        "  sl  local_address rem_address   st\n"
        "   0: 0100007F:1BBC 00000000:0000 0A 0\n   1: 0100007F:0016 0100007F:9999 01 0\n"
        "   0: 0000000000000000FFFF00000100000A:1F90 00000000000000000000000000000000:0000 0A 0\n==holders\n"
        'LISTEN 0      256     127.0.0.1:7100  0.0.0.0:* users:(("vllm",pid=15383,fd=3),("vllm",pid=9,fd=3))\n'
        "LISTEN 0      128     0.0.0.0:22  0.0.0.0:*\n==end\n"
    )
    read = ports.parse(outcome(table))
    assert {(one.address, one.port): who for one, who in read.holders.items()} == {
        ("127.0.0.1", 7100): "vllm (pid 15383)"
    }
    assert {(one.address, one.port) for one in read.listeners} == {("127.0.0.1", 7100), ("10.0.0.1", 8080)}
    assert read.busy("127.0.0.1", 7100) and not read.busy("10.0.0.1", 7100)
    assert not read.exposed(36000, 256) and read.exposed(36000, 257) and not read.exposed(7100, 8)


def test_metrics_are_summed_over_their_labels() -> None:
    text = '# HELP x y\nvllm:a{engine="0"} 1\nvllm:a{engine="1"} 2.5\nvllm:b 3e2\nbroken\n'
    assert http.metrics(text) == {"vllm:a": 3.5, "vllm:b": 300.0}


def test_modules_of_commands_have_no_run() -> None:
    modules: list[Module] = [engine_container, deployment_stopped, engine_previous, npus_free]
    assert not any(hasattr(one, "run") for one in modules)
