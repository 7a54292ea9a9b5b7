"""An image that is loaded or sent: over folders that stand for hosts, with a stand-in for docker."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from qcluster.engine.dressed import Dress, Dressed
from qcluster.events import Event
from qcluster.modules.base import Action, Call, Reach, Report
from qcluster.modules.docker_image import docker_image
from qcluster.modules.image_agree import image_agree
from qcluster.modules.image_found import image_found
from qcluster.modules.image_route import image_route
from qcluster.transport.base import Transport
from qcluster.transport.local import LocalTransport

NAME = "quay.io/ascend/vllm-ascend:v1-a3"
DOCKER = r"""
echo "$*" >>"$STATE/calls"
case "$1 $2" in
  "image inspect")
    shift 2
    [ -e "$STATE/image" ] || exit 1
    case "$2" in
      *Id*) echo sha256:1 ;;
      *Size*) echo 10 ;;
      *)
        printf '[{"Id": "sha256:1", "Architecture": "arm64", "RootFS": {"Layers": ["%s"]}}]\n' \
          "$(sha256sum <"$STATE/image" | cut -c1-64)" ;;
    esac ;;
  pull*) echo "layer of the registry" >"$STATE/image" ;;
  save*) cp "$STATE/image" "$3" ;;
  load*) cp "$3" "$STATE/image" ;;
  info*) echo / ;;
esac
"""


@dataclass
class Fleet:
    """Hosts p1, d1, d2 in one folder."""

    folder: Path
    hosts: tuple[str, ...] = ("p1", "d1", "d2")
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        for host in self.hosts:
            bin_folder = self.folder / host / "bin"
            bin_folder.mkdir(parents=True)
            (bin_folder / "docker").write_text("#!/bin/sh\n" + DOCKER)
            (bin_folder / "docker").chmod(0o755)
            plan = {"address": "127.0.0.1"}
            self.facts[host] = {"qcluster_host": plan, "inventory_dir": str(self.folder)}

    def calls(self, host: str) -> list[str]:
        file = self.folder / host / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def image(self, host: str) -> str:
        file = self.folder / host / "image"
        return file.read_text() if file.exists() else ""

    def do(self, action: Action, host: str, **args: Any) -> Report:
        fleet: dict[str, Transport] = {}
        for one in self.hosts:
            env = {"PATH": f"{self.folder}/{one}/bin:{os.environ['PATH']}", "STATE": str(self.folder / one)}
            fleet[one] = Dressed(LocalTransport(one), Dress(env=env))
        defaults = {name: option.default for name, option in action.spec.options.items()}
        given = {"name": NAME, "job_dir": str(self.folder / host / "jobs")}
        known = {name: value for name, value in given.items() if name in defaults}
        tools = (self.events.append, time.sleep, time.time)
        reach = Reach(fleet[host], fleet, self.facts.__getitem__, self.hosts, *tools)
        report = action.run(Call(host, {**defaults, **known, **args}, self.facts[host]), reach)
        self.facts[host].update(report.facts)
        for name, facts in report.facts_for.items():
            self.facts[name].update(facts)
        return report

    def up(self, source: str) -> dict[str, str]:
        """What the role does, both times; why each host failed."""
        failed: dict[str, str] = {}
        for _ in range(2):
            for host in self.hosts:
                self.do(image_found, host, source=source)
            decided = self.do(image_route, "p1", source=source)
            if decided.failed:
                return {"p1": decided.failed}

            def one(host: str) -> None:
                route = self.facts[host]["qcluster_image_route"]
                failed[host] = self.do(docker_image, host, source=source, route=route).failed

            threads = [threading.Thread(target=one, args=(host,)) for host in self.hosts]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return {host: text for host, text in failed.items() if text}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    yield Fleet(tmp_path)
    for file in tmp_path.glob("*/jobs/*/pid"):
        if not file.with_name("exit").exists():
            os.killpg(int(file.read_text().split()[0]), signal.SIGKILL)


def pulls(fleet: Fleet) -> list[str]:
    return [host for host in fleet.hosts for call in fleet.calls(host) if call.startswith("pull")]


def test_one_host_pulls_and_sends_it_to_the_others(fleet: Fleet) -> None:
    assert fleet.up("from d1") == {}
    assert pulls(fleet) == ["d1"]
    assert {fleet.image(host) for host in fleet.hosts} == {"layer of the registry\n"}
    assert fleet.do(image_agree, "p1").failed == ""
    assert not list(fleet.folder.glob("*/jobs/*.in")), "the archive is not kept"
    assert fleet.up("from d1") == {} and pulls(fleet) == ["d1"]


def test_an_archive_of_one_host_serves_all(fleet: Fleet) -> None:
    archive = fleet.folder / "d2" / "image.tar"
    archive.write_text("layer of the archive\n")
    assert fleet.up(f"load {archive}") == {}, "every host sees this path here, so each loads it"
    assert {fleet.image(host) for host in fleet.hosts} == {"layer of the archive\n"}
    assert pulls(fleet) == []


def test_an_archive_of_the_controller_is_sent_once_and_then_from_host_to_host(fleet: Fleet) -> None:
    (fleet.folder / "image.tar").write_bytes(b"layer of the controller\n" * 500_000)
    assert fleet.up("load image.tar") == {}
    assert {hashlib.sha256(fleet.image(host).encode()).hexdigest() for host in fleet.hosts} == {
        hashlib.sha256(b"layer of the controller\n" * 500_000).hexdigest()
    }
    deadline = time.monotonic() + 20
    while list(fleet.folder.glob("*/jobs/*/image.tar")):
        assert time.monotonic() < deadline, "what was only to be sent is not kept"
        time.sleep(0.05)


def test_an_archive_that_nobody_has_is_bad_input(fleet: Fleet) -> None:
    fleet.do(image_found, "p1", source="load nowhere.tar")
    refused = fleet.do(image_route, "p1", source="load nowhere.tar")
    assert refused.fatal == 2
    assert "no host has this file, and there is no" in refused.failed


def test_two_images_under_one_name_are_named(fleet: Fleet) -> None:
    (fleet.folder / "p1" / "image").write_text("old")
    (fleet.folder / "d1" / "image").write_text("new")
    (fleet.folder / "d2" / "image").write_text("new")
    assert fleet.up("from d1") == {}
    failed = fleet.do(image_agree, "p1").failed
    assert f"{NAME} is not the same on p1 and d1, d2" in failed and "the tag has moved" in failed


def test_a_pinned_digest_is_compared_with_the_id_of_what_was_loaded(fleet: Fleet) -> None:
    (fleet.folder / "p1" / "image").write_text("x")
    assert fleet.do(docker_image, "p1", digest="sha256:1").failed == ""
    failed = fleet.do(docker_image, "p1", digest="sha256:2").failed
    assert "no digest, since it was loaded, and the id sha256:1, wanted is sha256:2" in failed
    assert fleet.facts["p1"]["qcluster_image"]["layers"] == [hashlib.sha256(b"x").hexdigest()]
