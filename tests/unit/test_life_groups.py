"""`container_runtime: host` on this machine: whatever is killed, nothing is left, and nobody else is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from life_stand import INVENTORY, call, document, variables
from waiting import until

from qcluster.engine.dressed import Dress, Dressed
from qcluster.facts import host
from qcluster.modules.base import Call, Decision, Module
from qcluster.modules.deployment_stopped import deployment_stopped
from qcluster.modules.engine_container import engine_container
from qcluster.transport.base import Transport
from qcluster.transport.local import LocalTransport

NATIVE = INVENTORY.replace("vars: {", 'vars: {container_runtime: host, source_dir: /src, jemalloc: "off", ')
VLLM = """\
#!/bin/bash
# an engine and its worker, which ends only with its process group
echo began $$
sleep 600 & exec sleep 601
"""


@dataclass
class Native:
    """p1 of a small plan on this machine, its `vllm` a stand-in."""

    folder: Path
    plan: dict[str, Any]
    transport: Transport

    @property
    def box(self) -> dict[str, Any]:
        return dict(self.plan["hosts"][0]["containers"][0])

    @property
    def home(self) -> Path:
        return self.folder / "state"

    @property
    def run(self) -> Path:
        return self.home / self.box["name"] / "run"

    def do(self, module: Module, one: Call) -> Decision:
        """One task: its question, its decision, its steps."""
        decision = module.decide(one, self.transport.run(module.probe(one)))  # type: ignore[arg-type]
        for step in decision.steps:
            outcome = self.transport.run(step)  # type: ignore[arg-type]
            assert outcome.ok, outcome.err
        return decision

    def up(self) -> Decision:
        names = self.box["instances"]
        logs = [one["log"] for one in self.plan["instances"] if one["name"] in names]
        given = {"container": self.box, "home": f"{self.home}/{self.box['name']}", "engines": names, "logs": logs}
        args = {**_defaults(engine_container), **given, "stop_timeout": 3}
        decision = self.do(engine_container, call("engine", variables(self.plan, "p1"), args))
        until(lambda: all(self.group(name) and count(self.group(name)) == 2 for name in names))
        return decision

    def down(self) -> Decision:
        args = {
            **_defaults(deployment_stopped),
            "deployment": "small",
            "home": str(self.home),
            "timeout": 2,
            "docker": False,
        }
        return self.do(deployment_stopped, Call("p1", args, {}))

    def seen(self) -> list[tuple[str, str]]:
        """The boxes of this deployment that a host's facts show: name and digest."""
        question = host.host_state(str(self.home), "/")
        found = question.parse(self.transport.run(question.command)).containers
        return [(one.name, one.digest) for one in found if one.deployment == "small"]

    def group(self, name: str) -> int:
        file = self.run / f"{name}.pid"
        return int(file.read_text() or 0) if file.exists() else 0

    def groups(self) -> list[int]:
        return [self.group(name) for name in self.box["instances"]]


def _defaults(module: Module) -> dict[str, Any]:
    return {name: option.default for name, option in module.spec.options.items()}


def count(group: int) -> int:
    """How many processes a group has that are not zombies."""
    rows = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True).stdout.splitlines()
    return sum(row.split()[0] == str(group) and row.split()[1][0] != "Z" for row in rows)


def living(group: int) -> bool:
    return count(group) > 0


@pytest.fixture
def native(tmp_path: Path) -> Iterator[Native]:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/vllm").write_text(VLLM)
    (tmp_path / "bin/vllm").chmod(0o755)
    plan = document(tmp_path, NATIVE)
    for one in plan["instances"]:
        one["log"] = f"{tmp_path}/state/logs/{one['name']}.log"
    transport = Dressed(LocalTransport("p1"), Dress(env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}))
    here = Native(tmp_path, plan, transport)
    yield here
    groups = [group for group in here.groups() if group and living(group)]
    here.down()
    assert not any(map(living, groups))


def test_another_deployment_sees_what_is_claimed(native: Native) -> None:
    native.up()
    question = host.host_state(str(native.folder / "other"), "/")
    (found,) = [one for one in question.parse(native.transport.run(question.command)).containers if one.deployment]
    assert (found.deployment, found.npus) == ("small", "0-3")
    assert "api=7100-7101" in found.ports.split() and "kv-handshake=36000-36003" in found.ports.split()


def test_engines_start_once_and_end(native: Native) -> None:
    assert native.up().values["started"] is True
    groups = native.groups()
    assert native.up().steps == () and native.groups() == groups
    assert native.seen() == [(native.box["name"], native.box["labels"]["qcluster.digest"])]
    assert native.down().values["stopped"] == [native.box["name"]]
    assert not any(map(living, groups)) and native.seen() == []
    assert native.down().steps == ()


def test_engines_whose_entry_script_was_killed_are_ended_by_down(native: Native) -> None:
    native.up()
    groups = native.groups()
    os.kill(int((native.run / "entry.pid").read_text()), signal.SIGKILL)
    assert all(map(living, groups))
    assert native.seen() == [(native.box["name"], "")], "it runs, and it is not what was planned"
    assert native.down().values["stopped"] == [native.box["name"]]
    assert not any(map(living, groups))


def test_engines_whose_entry_script_was_killed_make_room_for_the_next_ones(native: Native) -> None:
    native.up()
    groups = native.groups()
    os.killpg(int((native.run / "entry.pid").read_text()), signal.SIGKILL)  # with whoever waits for the engines
    os.kill(groups[0], signal.SIGKILL)
    assert living(groups[0]), "its worker lives on"
    assert native.up().values["started"] is True
    assert not any(map(living, groups)) and all(map(living, native.groups()))


def test_numbers_that_are_another_process_s_by_now_are_left_alone(native: Native) -> None:
    """After a restart of the host its files are still there, and its numbers belong to others."""
    native.up()
    native.down()
    stranger = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        (native.run / "labels.json").write_text(
            json.dumps(
                {"Name": native.box["name"], "State": {"Running": True}, "Config": {"Labels": native.box["labels"]}}
            )
        )
        for name in ("entry", *native.box["instances"]):
            (native.run / f"{name}.pid").write_text(f"{stranger.pid}\n")
        assert native.seen() == []
        assert native.down().steps == ()
        assert native.up().values["started"] is True
        assert stranger.poll() is None
        assert stranger.pid not in native.groups()
    finally:
        stranger.kill()
        stranger.wait()
