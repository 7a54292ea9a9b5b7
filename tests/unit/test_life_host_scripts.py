"""The scripts that run on hosts, run here by the real sh: jobs, image, weights, lock, facts. Tools are stand-ins."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from qcluster.engine.dressed import Dress, Dressed
from qcluster.events import Event, Progress
from qcluster.facts import host, jobs, weights
from qcluster.facts.jobs import Job
from qcluster.modules.base import Action, Call, Reach
from qcluster.modules.deployment_lock import owner, release, stale, take
from qcluster.modules.docker_image import docker_image
from qcluster.modules.weights import weights as weights_module
from qcluster.transport.base import Transport
from qcluster.transport.local import LocalTransport

DOCKER = """\
echo "$*" >>"$STATE/calls"
case "$1 $2" in
  "image inspect")
    [ -e "$STATE/$(echo "$3" | tr / +)" ] || exit 1
    echo '[{"Id": "sha256:1", "RepoDigests": ["r@sha256:abc"], "Architecture": "arm64"}]' ;;
  pull*)
    case "$2" in quay.io/*) echo "Error: manifest unknown" >&2; exit 1 ;; esac
    echo "0123456789ab: Pulling fs layer"; echo "0123456789ab: Pull complete"
    touch "$STATE/$(echo "$2" | tr / +)" ;;
  tag*) touch "$STATE/$(echo "$3" | tr / +)" ;;
esac
"""
MODELSCOPE = """\
echo "$*" >>"$STATE/calls"
while [ $# -gt 1 ]; do [ "$1" = --local_dir ] && out=$2; shift; done
mkdir -p "$out"
[ -e "$STATE/slow" ] && sleep 2
printf '{"weight_map": {"a": "model-1.safetensors"}}' >"$out/model.safetensors.index.json"
[ -e "$STATE/cut" ] && exit 1
printf weights >"$out/model-1.safetensors"
"""


@dataclass
class Machine:
    """This machine with stand-ins on its PATH, as a host."""

    folder: Path
    events: list[Event] = field(default_factory=list)

    def tool(self, name: str, text: str) -> None:
        place = self.folder / "bin" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text("#!/bin/sh\n" + text)
        place.chmod(0o755)

    @property
    def transport(self) -> Transport:
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        env = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "STATE": str(state),
            "QCLUSTER_LAB_ROOT": str(self.folder),
        }
        return Dressed(LocalTransport("here"), Dress(env=env))

    @property
    def calls(self) -> list[str]:
        file = self.folder / "state" / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def do(self, action: Action, **args: Any) -> Any:
        defaults = {name: option.default for name, option in action.spec.options.items()}
        reach = Reach(
            self.transport,
            {"here": self.transport},
            lambda name: {},
            ("here",),
            self.events.append,
            time.sleep,
            time.time,
        )
        return action.run(Call("here", {**defaults, **args}, {}), reach)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def job(folder: Path, body: str, key: str = "k") -> Job:
    return Job(str(folder / "job"), key, body, ("a b",), 30)


def test_a_job_gives_its_output_and_its_exit_code(machine: Machine) -> None:
    outcome = machine.transport.run(jobs.attach(job(machine.folder, 'echo "got $1"; exit 3')))
    assert (outcome.exit, outcome.out) == (3, "got a b\n")


def test_whoever_comes_next_attaches_to_the_job_that_runs(machine: Machine) -> None:
    one = job(machine.folder, 'echo began >>"$STATE/calls"; sleep 1; echo done')
    assert machine.transport.run(jobs.begin(one)).ok
    outcome = machine.transport.run(jobs.attach(one))
    assert outcome.out == "done\n" and "attached" in outcome.err
    assert machine.calls == ["began"]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_job_over_its_limit_ends_with_what_it_started(machine: Machine) -> None:
    over = Job(str(machine.folder / "job"), "k", 'sleep 600 & echo $! >"$STATE/calls"; wait', (), 1)
    outcome = machine.transport.run(jobs.attach(over))
    assert outcome.exit == 124
    assert not alive(int(machine.calls[0]))


def test_what_a_killed_job_had_started_is_ended_before_it_is_begun_again(machine: Machine) -> None:
    body = 'echo $$ >>"$STATE/calls"; [ -e "$STATE/second" ] || exec sleep 600'
    machine.transport.run(jobs.begin(job(machine.folder, body)))
    until(lambda: len(machine.calls) == 1)
    os.kill(int((machine.folder / "job" / "pid").read_text().split()[0]), signal.SIGKILL)
    (machine.folder / "state" / "second").touch()
    assert machine.transport.run(jobs.attach(job(machine.folder, body))).ok
    assert len(machine.calls) == 2 and not alive(int(machine.calls[0]))


def test_a_job_that_was_killed_is_begun_again(machine: Machine) -> None:
    one = job(machine.folder, 'echo began >>"$STATE/calls"; [ -e "$STATE/second" ] || sleep 60; echo done')
    machine.transport.run(jobs.begin(one))
    until(lambda: machine.calls == ["began"])
    pid = int((machine.folder / "job" / "pid").read_text().split()[0])
    os.killpg(pid, signal.SIGKILL)
    (machine.folder / "state" / "second").touch()
    assert machine.transport.run(jobs.attach(one)).out == "done\n"
    assert machine.calls == ["began", "began"]


def test_a_job_for_something_else_replaces_the_one_that_runs(machine: Machine) -> None:
    machine.transport.run(jobs.begin(job(machine.folder, "sleep 60", "old")))
    assert machine.transport.run(jobs.attach(job(machine.folder, "echo new", "new"))).out == "new\n"


IMAGE = {"name": "quay.io/ascend/vllm-ascend:v1", "sources": ["mirror.example/ascend/vllm-ascend:v1"]}


def test_an_image_comes_from_the_first_registry_that_has_it(machine: Machine) -> None:
    machine.tool("docker", DOCKER)
    report = machine.do(docker_image, **IMAGE, job_dir=str(machine.folder / "jobs"))
    assert (report.failed, report.changed) == ("", True)
    assert "tag mirror.example/ascend/vllm-ascend:v1 quay.io/ascend/vllm-ascend:v1" in machine.calls
    texts = [event.text for event in machine.events if isinstance(event, Progress)]
    assert texts[0] == "trying quay.io/ascend/vllm-ascend:v1" and "1/1 layers" in texts


def test_an_image_that_is_there_takes_one_question(machine: Machine) -> None:
    machine.tool("docker", DOCKER)
    machine.do(docker_image, **IMAGE, job_dir=str(machine.folder / "jobs"))
    before = len(machine.calls)
    assert not machine.do(docker_image, **IMAGE, job_dir=str(machine.folder / "jobs")).changed
    assert len(machine.calls) == before + 1


def test_an_image_with_another_digest_than_pinned_fails(machine: Machine) -> None:
    machine.tool("docker", DOCKER)
    report = machine.do(docker_image, **IMAGE, digest="sha256:other", job_dir=str(machine.folder / "jobs"))
    assert "sha256:abc" in report.failed and "the tag moved" in report.failed


def test_an_image_that_nobody_has_says_what_was_tried(machine: Machine) -> None:
    machine.tool("docker", DOCKER)
    report = machine.do(docker_image, name=IMAGE["name"], job_dir=str(machine.folder / "jobs"))
    assert "none of 1 source gave it: the registry has no such tag" in report.failed


def fetch(machine: Machine, folder: str = "w") -> Any:
    place = {"path": str(machine.folder / folder / "model"), "job_dir": str(machine.folder / "jobs" / folder)}
    return machine.do(weights_module, source="modelscope", id="Org/Model", **place)


def test_weights_are_downloaded_once_and_proven_by_a_manifest(machine: Machine) -> None:
    machine.tool("modelscope", MODELSCOPE)
    first = fetch(machine)
    assert (first.failed, first.changed, first.values["files"]) == ("", True, 2)
    again = fetch(machine)
    assert not again.changed and again.values["manifest"] == first.values["manifest"]
    assert len(machine.calls) == 1


def test_the_same_files_have_the_same_manifest_on_two_hosts(machine: Machine) -> None:
    machine.tool("modelscope", MODELSCOPE)
    assert fetch(machine, "one").values["manifest"] == fetch(machine, "two").values["manifest"]


def test_a_file_that_changed_is_fetched_again(machine: Machine) -> None:
    machine.tool("modelscope", MODELSCOPE)
    fetch(machine)
    (machine.folder / "w" / "model" / "model-1.safetensors").write_text("short")
    again = fetch(machine)
    assert (again.failed, again.changed) == ("", True)
    assert (machine.folder / "w" / "model" / "model-1.safetensors").read_text() == "weights"


def test_a_download_that_breaks_off_goes_on_next_time(machine: Machine) -> None:
    machine.tool("modelscope", MODELSCOPE)
    machine.transport  # noqa: B018 - makes the state folder
    (machine.folder / "state" / "cut").touch()
    assert "could not be had" in fetch(machine).failed
    (machine.folder / "state" / "cut").unlink()
    assert fetch(machine).failed == ""


def test_hosts_that_share_a_folder_download_once(machine: Machine) -> None:
    machine.tool("modelscope", MODELSCOPE)
    machine.transport  # noqa: B018
    (machine.folder / "state" / "slow").touch()
    reports: list[Any] = []

    def one(name: str) -> None:
        place = {"path": str(machine.folder / "w" / "model"), "job_dir": str(machine.folder / name)}
        reports.append(machine.do(weights_module, source="modelscope", id="Org/Model", **place))

    threads = [threading.Thread(target=one, args=(name,)) for name in ("p1", "d1")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.failed for report in reports] == ["", ""]
    assert len(machine.calls) == 1


def test_weights_that_the_index_names_and_nobody_has_fail(machine: Machine) -> None:
    machine.tool("modelscope", MODELSCOPE.replace("printf weights", ": "))
    report = fetch(machine)
    assert "not whole" in report.failed and "model-1.safetensors" in report.failed


def test_a_folder_of_weights_is_only_hashed(machine: Machine) -> None:
    place = machine.folder / "given"
    place.mkdir()
    (place / "model.safetensors").write_text("x")
    report = machine.do(weights_module, source="path", path=str(place), job_dir=str(machine.folder / "jobs"))
    assert (report.failed, report.changed, report.values["bytes"]) == ("", False, 1)
    assert [file.name for file in place.iterdir()] == ["model.safetensors"]


def test_a_missing_folder_of_weights_is_named(machine: Machine) -> None:
    report = machine.do(weights_module, source="path", path="/nowhere/w", job_dir=str(machine.folder / "jobs"))
    assert "no such folder: /nowhere/w" in report.failed


def test_weights_parse_refuses_a_cut_answer(machine: Machine) -> None:
    question = weights.look("/nowhere", "/nowhere/m")
    whole = machine.transport.run(question.command)
    assert not question.parse(whole).complete
    with pytest.raises(Exception, match="cut off"):
        question.parse(type(whole)(whole.command, 0, whole.stdout[:20]))


def locked(machine: Machine, mine: str, force: bool = False) -> Any:
    return take({"here": machine.transport}, {"here": str(machine.folder / "state")}, mine, force)


def test_a_lock_is_taken_again_by_its_holder_and_refused_to_others(machine: Machine) -> None:
    assert locked(machine, owner("up")).failed == ""
    assert locked(machine, owner("up")).failed == ""
    other = json.dumps({"who": "eve", "where": "elsewhere", "pid": 7, "began": "1", "what": "down"}, sort_keys=True)
    refused = locked(machine, other)
    assert re.search(r"runs `up` since 20\d\d-\d\d-\d\d \d\d:\d\d [+-]", refused.failed)
    assert "qcluster_break_lock" in refused.failed
    assert locked(machine, other, force=True).failed == ""


def test_a_lock_of_a_killed_run_that_nobody_has_reaped_is_stale() -> None:
    taken = "from qcluster.modules.deployment_lock import owner; print(owner('up'), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", taken], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        held = run.stdout.readline()
        assert not stale(held)
        run.kill()
        os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is a zombie until `with` is over
        assert stale(held)


def test_a_lock_of_a_dead_run_of_this_machine_is_stale(machine: Machine) -> None:
    mine = json.loads(owner("up"))
    dead = json.dumps({**mine, "began": "1"}, sort_keys=True)
    assert stale(dead) and not stale(owner("up")) and not stale("")
    locked(machine, dead)
    assert locked(machine, owner("up")).failed == ""


def test_a_lock_whose_taker_died_before_it_said_who_is_nobodys(machine: Machine) -> None:
    (machine.folder / "state" / "lock").mkdir(parents=True)
    assert locked(machine, owner("up")).failed == ""


def test_when_one_host_is_locked_all_are_released(machine: Machine) -> None:
    other = json.dumps({"who": "eve", "where": "elsewhere", "pid": 7})
    fleet: Mapping[str, Transport] = {"a": machine.transport, "b": machine.transport}
    folders = {"a": str(machine.folder / "a"), "b": str(machine.folder / "b")}
    take({"b": machine.transport}, {"b": folders["b"]}, other, False)
    assert take(fleet, folders, owner("up"), False).failed.startswith("b: locked by eve@elsewhere")
    assert not (machine.folder / "a" / "lock").exists()
    release(fleet, folders, other)
    assert not (machine.folder / "b" / "lock").exists()


def test_the_facts_of_a_machine_without_npu_and_docker(machine: Machine) -> None:
    machine.tool("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    machine.tool("npu-smi", "echo 'no NPU here' >&2; exit 1")
    question = host.host_state("/var/lib/qcluster/x", "<fact:home>/w")
    state = question.parse(machine.transport.run(question.command))
    assert state.table is None and "no NPU here" in state.npu_problem
    assert state.docker == "" and "Cannot connect" in state.docker_problem
    assert state.hardware == "" and state.memory_available > 0
    assert state.ports.ephemeral[0] < state.ports.ephemeral[1]
    assert set(state.room) >= {"/", "/var/lib/qcluster/x"}


BOX = {
    "name": "box",
    "runtime": "host",
    "image": "",
    "labels": {"qcluster.deployment": "small", "qcluster.digest": "d1"},
}


def native(machine: Machine) -> Any:
    """Engines without docker: the entry script of a stand-in, started as `container_runtime: host` does."""
    from qcluster.modules.engine_container import engine_container

    scripts = {"entry.sh.j2": "trap 'exit 0' TERM; sleep 60 & wait", "one.j2": "#"}
    for name, text in scripts.items():
        (machine.folder / name).write_text(text)
    defaults = {name: option.default for name, option in engine_container.spec.options.items()}
    given = {"container": BOX, "home": f"{machine.folder}/home/box", "engines": ["e0"], "instance": "one.j2"}
    one = Call(
        "here",
        {**defaults, **given, "stop_timeout": 2},
        {},
        find=lambda kind, name: machine.folder / name,
        template_file=lambda path, settings: path.read_text(),
    )
    decision = engine_container.decide(one, machine.transport.run(engine_container.probe(one)))
    for step in decision.steps:
        outcome = machine.transport.run(step)  # type: ignore[arg-type]
        assert outcome.ok, outcome.err
    return decision


def test_engines_without_docker_start_once_are_seen_and_stop(machine: Machine) -> None:
    from qcluster.modules.deployment_stopped import deployment_stopped

    assert len(native(machine).steps) == 2
    pid = int((machine.folder / "home" / "box" / "run" / "entry.pid").read_text())
    tries = 100
    while os.getsid(pid) != pid and tries:  # `setsid` has to be scheduled first
        tries -= 1
        time.sleep(0.05)
    assert os.getsid(pid) == pid
    assert native(machine).steps == (), "the same plan runs: nothing to do"
    question = host.host_state(f"{machine.folder}/home", "/")
    seen = question.parse(machine.transport.run(question.command)).containers
    assert ("box", "running", "small", "d1") in [(one.name, one.state, one.deployment, one.digest) for one in seen]
    given = {"deployment": "small", "home": f"{machine.folder}/home", "only": [], "without": [], "timeout": 5}
    stop = Call("here", {**given, "docker": False}, {})
    decision = deployment_stopped.decide(stop, machine.transport.run(deployment_stopped.probe(stop)))
    assert decision.values["stopped"] == ["box"]
    for step in decision.steps:
        assert machine.transport.run(step).ok  # type: ignore[arg-type]
    assert deployment_stopped.decide(stop, machine.transport.run(deployment_stopped.probe(stop))).steps == ()


INSIDE = """\
case "$1" in
  image) echo sha256:77 ;;
  run)
    echo "$*" >>"$STATE/calls"
    printf 'version %s\\nmooncake %s\\nend\\n' "$(cat "$STATE/version")" "$(cat "$STATE/mooncake")" ;;
esac
"""


@pytest.mark.parametrize(
    ("version", "mooncake", "says"),
    [
        ("0.23.0", "yes", ""),
        ("0.23.0.post1", "unknown libascend_hal.so", ""),
        ("0.23.0", "no", "no Mooncake"),
        ("0.18.0", "yes", "holds vllm-ascend 0.18.0"),
    ],
)
def test_an_image_is_looked_into_once(machine: Machine, version: str, mooncake: str, says: str) -> None:
    from qcluster.modules.image_holds import image_holds

    machine.tool("docker", INSIDE)
    state = machine.folder / "state"
    state.mkdir()
    (state / "version").write_text(version)
    (state / "mooncake").write_text(mooncake)
    lib = ["/usr/local/Ascend/driver/lib64/", "/usr/local/Ascend/driver/lib64/"]
    args = {
        "name": "i:1",
        "release": "v0.23.0",
        "mooncake": True,
        "mounts": [lib],
        "job_dir": str(machine.folder / "jobs"),
    }
    one = Call("here", args, {})
    decision = image_holds.decide(one, machine.transport.run(image_holds.probe(one)))
    outcome = machine.transport.run(decision.steps[0])  # type: ignore[arg-type]
    assert outcome.ok == (says == "")
    assert says in outcome.out
    assert "-v /usr/local/Ascend/driver/lib64/:/usr/local/Ascend/driver/lib64/" in machine.calls[0]
    again = image_holds.decide(one, machine.transport.run(image_holds.probe(one)))
    assert (again.steps == ()) == (says == ""), "a good image is not looked into again"
