"""The entry script, rendered from the role and run for real with stand-ins for `vllm`: sessions, logs, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from life_stand import ROOT, call, document, variables
from waiting import until

from qcluster.modules.engine_container import EngineContainer, run_argv, wanted

GOLDEN = ROOT / "tests" / "golden" / "life"
SHELLCHECK = ROOT / ".venv" / "bin" / "shellcheck"


def rendered(plan: dict[str, Any], home: str, moe: bool = False) -> Any:
    box = plan["hosts"][0]["containers"][0]
    plan["model"]["moe"] = moe
    seen = variables(plan, plan["hosts"][0]["name"])
    given = {"container": box, "home": home, "engines": box["instances"], "logs": [], "key_file": f"{home}/api_key"}
    defaults = {name: option.default for name, option in EngineContainer.spec.options.items()}
    return wanted(call("engine", seen, {**defaults, **given, "stop_timeout": 3}))


@pytest.fixture
def golden(tmp_path: Path) -> dict[str, bytes]:
    return dict(rendered(document(tmp_path), "/var/lib/qcluster/small/qcluster-small").files)


@pytest.mark.parametrize("name", ["entry.sh", "p1-prefill-0.sh"])
def test_scripts_are_as_the_golden_files_show(golden: dict[str, bytes], name: str) -> None:
    file = GOLDEN / name
    if os.environ.get("QCLUSTER_GOLDEN") == "write":
        file.write_bytes(golden[name])
    assert golden[name] == file.read_bytes()


@pytest.mark.parametrize("name", ["entry.sh", "p1-prefill-0.sh", "p1-prefill-1.sh"])
def test_scripts_pass_bash_and_shellcheck(golden: dict[str, bytes], tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(golden[name])
    assert subprocess.run(["bash", "-n", str(file)], capture_output=True).stderr == b""
    checked = subprocess.run([str(SHELLCHECK), str(file)], capture_output=True, text=True)
    assert checked.stdout == ""


@pytest.mark.parametrize("there", [True, False])
def test_jemalloc_is_preloaded_only_where_the_container_has_it(tmp_path: Path, there: bool) -> None:
    library = tmp_path / "libjemalloc.so.2"
    if there:
        library.write_bytes(b"")
    plan = document(tmp_path)
    plan["instances"][0]["env"]["LD_PRELOAD"] = str(library)
    script = tmp_path / "one.sh"
    script.write_bytes(rendered(plan, "/var/lib/qcluster/small/qcluster-small").files["p1-prefill-0.sh"])
    (tmp_path / "vllm").write_text('#!/bin/sh\necho "$LD_PRELOAD"\n')
    (tmp_path / "vllm").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LD_LIBRARY_PATH": ""}
    done = subprocess.run(["bash", script], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == (str(library) if there else "")


def test_docker_gets_exactly_the_devices_of_the_plan_and_the_folder_of_the_deployment(tmp_path: Path) -> None:
    argv = run_argv(rendered(document(tmp_path), "/var/lib/qcluster/small/qcluster-small"))
    devices = [argv[i + 1] for i, word in enumerate(argv) if word == "--device"]
    mounts = [argv[i + 1] for i, word in enumerate(argv) if word == "-v"]
    assert [device for device in devices if device[-1].isdigit()] == [f"/dev/davinci{n}" for n in range(4)]
    assert "/etc/hccn.conf:/etc/hccn.conf" in mounts
    assert "/var/lib/qcluster/small:/var/lib/qcluster/small" in mounts
    assert {"-d", "--net=host"} <= set(argv)
    assert argv[-2] == "bash" and argv[-1].endswith("/entry.sh")


class Stage:
    """A folder with the scripts, and an entry process whose `vllm` is a stand-in."""

    def __init__(self, folder: Path, behaviour: str, moe: bool):
        self.home = folder / "home"
        plan = document(folder)
        for one in plan["instances"]:
            one["env"] = {name: value for name, value in one["env"].items() if name != "LD_PRELOAD"}
            one["log"] = str(folder / "logs" / f"{one['name']}.log")
        want = rendered(plan, str(self.home), moe)
        Path(want.dir).mkdir(parents=True)
        for name, data in want.files.items():
            (Path(want.dir) / name).write_bytes(data)
        binaries = folder / "bin"
        binaries.mkdir()
        (binaries / "vllm").write_text(f"#!/bin/sh\n{behaviour}\n")
        (binaries / "vllm").chmod(0o755)
        self.names = want.engines
        self.run, self.logs = self.home / "run", folder / "logs"
        env = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "http_proxy": "http://corporate:3128"}
        self.process = subprocess.Popen(["bash", f"{want.dir}/entry.sh"], env=env, start_new_session=True)

    def group(self, name: str) -> int:
        until(lambda: (self.run / f"{name}.pid").exists() and (self.run / f"{name}.pid").read_text().strip() != "")
        return int((self.run / f"{name}.pid").read_text())

    def exit(self, name: str) -> int:
        until(lambda: (self.run / f"{name}.exit").exists())
        return int((self.run / f"{name}.exit").read_text())

    def log(self, name: str) -> str:
        file = self.logs / f"{name}.log"
        return file.read_text() if file.exists() else ""

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    open_stages: list[Stage] = []

    def begin(behaviour: str, moe: bool = False) -> Stage:
        open_stages.append(Stage(tmp_path, behaviour, moe))
        return open_stages[-1]

    yield begin
    for one in open_stages:
        one.end()


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


SERVE = 'echo "up $*"; env | grep -c http_proxy; echo "key $VLLM_API_KEY"; exec sleep 60'


def test_every_engine_has_its_own_session_and_log(stage: Callable[..., Stage]) -> None:
    here = stage(SERVE)
    groups = [here.group(name) for name in here.names]
    until(lambda: all("up serve" in here.log(name) for name in here.names))
    assert len(set(groups)) == len(here.names)
    assert [os.getsid(group) for group in groups] == groups
    assert here.process.pid not in groups


def test_proxy_variables_do_not_reach_the_engines(stage: Callable[..., Stage]) -> None:
    here = stage(SERVE)
    until(lambda: "\nkey" in here.log(here.names[0]))
    assert here.log(here.names[0]).splitlines()[1] == "0"


def test_the_api_key_comes_from_its_file(stage: Callable[..., Stage], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "api_key").write_text("s3cret\n")
    here = stage(SERVE)
    until(lambda: "\nkey" in here.log(here.names[0]))
    assert here.log(here.names[0]).splitlines()[-1] == "key s3cret"


def test_dense_engines_die_alone_and_leave_no_worker(stage: Callable[..., Stage]) -> None:
    here = stage("sleep 60 & exec sleep 61")
    first, second = (here.group(name) for name in here.names)
    os.kill(first, signal.SIGKILL)
    assert here.exit(here.names[0]) == 137
    until(lambda: not alive(first))
    assert alive(second)
    assert here.process.poll() is None


def test_moe_ranks_end_together(stage: Callable[..., Stage]) -> None:
    here = stage("exec sleep 60", moe=True)
    first, second = (here.group(name) for name in here.names)
    os.kill(first, signal.SIGKILL)
    assert here.process.wait(timeout=20) == 1
    until(lambda: not alive(second))


def test_sigterm_reaches_every_group_and_the_script_ends_well(stage: Callable[..., Stage]) -> None:
    here = stage("trap 'echo ended; exit 0' TERM; sleep 60 & wait")
    groups = [here.group(name) for name in here.names]
    here.process.terminate()
    assert here.process.wait(timeout=20) == 0
    assert [here.exit(name) for name in here.names] == [0, 0]
    assert all(here.log(name) == "ended\n" for name in here.names)
    until(lambda: not any(alive(group) for group in groups))


def test_an_engine_that_ignores_sigterm_is_killed(stage: Callable[..., Stage]) -> None:
    here = stage("trap '' TERM; while :; do sleep 1; done")
    groups = [here.group(name) for name in here.names]
    here.process.terminate()
    assert here.process.wait(timeout=30) == 0
    until(lambda: not any(alive(group) for group in groups))


def test_one_engine_is_started_again_on_request_and_keeps_its_old_log(stage: Callable[..., Stage]) -> None:
    here = stage("echo began $$; exec sleep 60")
    name, other = here.names
    before, unmoved = here.group(name), here.group(other)
    until(lambda: "began" in here.log(name))
    (here.run / f"{name}.restart").touch()
    until(lambda: not alive(before) and here.group(name) != before)
    until(lambda: "began" in here.log(name))
    assert alive(unmoved)
    assert (here.logs / f"{name}.log.1").read_text().startswith("began")
    assert not (here.run / f"{name}.exit").exists()


def test_when_all_engines_have_failed_the_script_fails(stage: Callable[..., Stage]) -> None:
    here = stage("echo no; exit 7")
    assert here.process.wait(timeout=20) == 1
    assert [here.exit(name) for name in here.names] == [7, 7]
