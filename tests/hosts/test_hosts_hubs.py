"""Weights through the hubs' real tools, from a hub of our own: killed, damaged, and asked for twice at once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hub_clients import CLIENTS, Client, certificate
from model_hub import Hub, serving

from qcluster.engine.dressed import Dress, Dressed
from qcluster.events import Event
from qcluster.modules.base import Call, Reach, Report
from qcluster.modules.weights import weights
from qcluster.transport.local import LocalTransport

pytestmark = pytest.mark.hosts
MODEL = "Org/Model-1.5"
SHARD = "model-00001-of-00001.safetensors"
SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Place:
    """A host with one hub's tool, and the hub that it asks."""

    folder: Path
    client: Client
    hub: Hub
    pem: Path

    @property
    def shard(self) -> Path:
        return self.folder / "weights" / MODEL / SHARD

    @property
    def wanted(self) -> bytes:
        return (self.hub.folder / MODEL / SHARD).read_bytes()

    def fetch(self, job: str = "jobs", **args: Any) -> Report:
        """What the task `weights` does on this host."""
        env = {"PATH": f"{self.folder}/bin:{SYSTEM}", **self.client.environ(self.hub.port, self.pem)}
        transport = Dressed(LocalTransport("here"), Dress(env=env))
        defaults = {name: option.default for name, option in weights.spec.options.items()}
        given = {"source": self.client.how, "id": MODEL, "path": str(self.folder / "weights" / MODEL)}
        call = Call("here", {**defaults, **given, "job_dir": str(self.folder / job), **args}, {})
        events: list[Event] = []
        reach = Reach(transport, {}, lambda _: {}, ("here",), events.append, time.sleep, time.time)
        return weights.run(call, reach)

    def kill(self) -> None:
        """The whole job, as when the host is reset."""
        (pid,) = self.folder.glob("jobs/*/pid")
        os.killpg(int(pid.read_text().split()[0]), signal.SIGKILL)


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    client: Client = request.param
    try:
        program = client.installed()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"{client.package} cannot be installed, is there a package index: {error}")
    model = tmp_path / "hub" / MODEL
    model.mkdir(parents=True)
    (model / SHARD).write_bytes(random.Random(1).randbytes(6 << 20))
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": SHARD}}))
    (model / "config.json").write_text("{}")
    (model / "code").mkdir()
    (model / "code" / "modeling.py").write_text("")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / client.program).symlink_to(program)
    files = certificate(tmp_path)
    with serving(Hub(tmp_path / "hub"), files if client.tls else None) as hub:
        yield Place(tmp_path, client, hub, files[0])
    shutil.rmtree(tmp_path / "weights", ignore_errors=True)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_download_that_was_killed_goes_on(place: Place) -> None:
    place.hub.slow = 0.02
    assert place.fetch(wait=False).failed == ""
    until(lambda: place.hub.moved.get(SHARD, 0) > 2 << 20)
    place.kill()
    place.hub.slow = 0.0
    report = place.fetch()
    assert (report.failed, report.changed, report.values["files"]) == ("", True, 4)
    assert place.shard.read_bytes() == place.wanted
    first, _ = place.hub.transfers(SHARD)[-1]
    assert (first > 0) == place.client.goes_on
    again = place.fetch()
    assert (again.failed, again.changed) == ("", False)


def test_a_flipped_byte_is_found_and_mended_by_one_more_transfer(place: Place) -> None:
    assert place.fetch().failed == ""
    transfers = len(place.hub.transfers(SHARD))
    damage(place.shard)
    mended = place.fetch()
    assert (mended.failed, mended.changed) == ("", True)
    assert place.shard.read_bytes() == place.wanted
    assert len(place.hub.transfers(SHARD)) == transfers + 1
    before = place.shard.stat()
    damage(place.shard)
    os.utime(place.shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert place.fetch().changed is False, "as large and as old as before: only reading it anew can tell"
    assert place.fetch(reread=True).changed is True
    assert place.shard.read_bytes() == place.wanted


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(1 << 20)
        byte = file.read(1)
        file.seek(1 << 20)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, (1, 1))


def test_two_hosts_that_share_the_folder_download_once(place: Place) -> None:
    place.hub.slow = 0.005
    reports: list[Report] = []
    threads = [threading.Thread(target=lambda name=name: reports.append(place.fetch(name))) for name in ("p1", "d1")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.failed for report in reports] == ["", ""]
    assert [first for first, _ in place.hub.transfers(SHARD)] == [0]


def test_a_tool_that_does_not_notice_is_why_the_manifest_is_ours(place: Place) -> None:
    """What the tool alone makes of a changed file; the day this fails the table of clients is out of date."""
    assert place.fetch().failed == ""
    (place.shard.parent / ".qcluster-manifest").unlink()
    damage(place.shard)
    transfers = len(place.hub.transfers(SHARD))
    assert place.fetch().failed == ""
    assert place.shard.read_bytes() == place.wanted, "the hub's own list of checksums, or its tool, tells"
    assert len(place.hub.transfers(SHARD)) == transfers + 1
