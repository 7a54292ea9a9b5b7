"""Room for an image before it is fetched: manifests as docker's client shows them, and the verdict on a lab host."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_site import LabSite, make

from qcluster.engine.dressed import Dress, Dressed
from qcluster.errors import UnreadableOutput
from qcluster.events import Event
from qcluster.facts import image_room as fact
from qcluster.facts.image_room import Room
from qcluster.facts.images import place
from qcluster.lab.layout import LabHost
from qcluster.modules import image_room as module
from qcluster.modules.base import Call, Reach, Report
from qcluster.transport.local import LocalTransport

NAME = "quay.io/ascend/vllm-ascend:v0.23.0-a3"
GB = 10**9


def shown(architecture: str, body: str = "OCIManifest", os_name: str = "linux", **sizes: int) -> dict[str, Any]:
    layers = [{"digest": f"sha256:{name}", "size": number} for name, number in sizes.items()]
    platform = {"architecture": architecture, "os": os_name} if architecture else {}
    return {"Descriptor": {"platform": platform}, body: {"config": {"size": 9}, "layers": layers}}


INDEX = [
    shown("amd64", a=1, b=2),
    shown("arm64", body="SchemaV2Manifest", a=1, c=30, d=400),
    shown("unknown", os_name="unknown", e=5000),  # an attestation of the build
]


@pytest.mark.parametrize(
    ("manifest", "platform", "size"),
    [
        (INDEX, "linux/arm64", 431),
        (INDEX, "linux/arm64/v8", 431),
        (INDEX, "linux/amd64", 3),
        (INDEX, "linux/riscv64", None),
        (shown("arm64", a=7), "linux/arm64", 7),
        (shown("", body="SchemaV2Manifest", a=7), "linux/arm64", 7),
        ([], "linux/arm64", None),
    ],
)
def test_what_is_transferred_for_one_kind_of_machine(manifest: object, platform: str, size: int | None) -> None:
    assert fact.download(json.dumps(manifest), platform) == size


def test_what_is_no_manifest_is_not_guessed_at() -> None:
    with pytest.raises(UnreadableOutput):
        fact.download("no such command", "linux/arm64")


class Told:
    """The module on the lab host h, with what it emits."""

    def __init__(self, site: LabSite, folder: Path):
        self.site, self.folder, self.events = site, folder, list[Event]()

    def reach(self, **others: dict[str, Any]) -> Reach:
        transport = Dressed(LocalTransport("h"), Dress(env=self.site.env("h")))
        return Reach(transport, {}, others.__getitem__, ("h",), self.events.append, time.sleep, time.time)

    def call(self, variables: dict[str, Any] | None = None, **args: Any) -> Call:
        defaults = {name: option.default for name, option in module.image_room.spec.options.items()}
        given = {"name": NAME, "sources": [f"m.daocloud.io/{NAME}"], "job_dir": str(self.folder)}
        return Call("h", {**defaults, **given, **args}, variables or {})

    def run(self, **args: Any) -> Report:
        return module.image_room.run(self.call(**args), self.reach())

    def judged(self, free: int | None, **room: Any) -> str:
        """What is said of a host with so many bytes free."""
        known = {"present": False, "running": False, "kin": 0, "root": "/var/lib/docker", "source": NAME, **room}
        self.events.clear()
        report = module.judged(self.call(), self.reach(), Room(free=free, **known), None)
        return f"failed: {report.failed}" if report.failed else "".join(str(event.text) for event in self.events)  # type: ignore[attr-defined]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Told]:
    site = make(tmp_path / "lab", (LabHost("h", ""),))
    yield Told(site, tmp_path)
    site.close()


def test_a_registry_tells_the_size_and_a_full_disk_fails_before_the_pull(host: Told) -> None:
    report = host.run()
    assert (report.failed, host.events) == ("", [])
    assert report.values["download"] == 8 * 805_306_368 and report.values["source"] == NAME
    assert report.values["wanted"] == 3 * report.values["download"] < report.values["free"]
    host.site.fault("disk-full", "h")
    failed = host.run().failed
    assert f"for {NAME}, about 19.3 GB: 6.44 GB to pull, 3 times that unpacked: free room there" in failed
    assert "102 kB are free in" in failed and "`image_unpacks_to: 2`" in failed
    assert host.run(unpacks_to=0.0).failed == ""


def test_mirrors_are_asked_in_order_and_an_unknown_size_says_so(host: Told) -> None:
    host.site.fault("registry-down", "quay.io")
    assert host.run().values["source"] == f"m.daocloud.io/{NAME}"
    host.site.fault("registry-down", "m.daocloud.io")
    assert host.run().values["refused"][-1].endswith("connection refused")
    assert host.events == [], "there is room enough for any image"
    host.site.fault("disk-full", "h")
    assert host.run().failed == ""
    (event,) = host.events
    assert f"the size of {NAME} is unknown (m.daocloud.io/{NAME}: Error" in str(event)


def test_an_image_that_is_here_or_on_its_way_is_not_reckoned_with(host: Told) -> None:
    host.site.fault("disk-full", "h")
    job = Path(place(str(host.folder), NAME))
    job.mkdir()
    began = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    (job / "pid").write_text(f"{os.getpid()} {began}\n")
    assert host.run() == Report()
    (job / "pid").write_text(f"{os.getpid()} 1\n")
    assert "are free in" in host.run().failed, "the process is another one"
    host.site.mend()
    host.site.out("h", "docker", "pull", "-q", NAME)
    host.site.fault("disk-full", "h")
    assert host.run() == Report()


def test_layers_that_are_here_may_be_all_that_is_lacking(host: Told) -> None:
    assert host.judged(9 * GB, download=4 * GB).startswith("failed: 9 GB are free in /var/lib/docker for ")
    shared = host.judged(9 * GB, download=4 * GB, kin=2)
    assert "less what it shares with the 2 other images of its name" in shared and "failed" not in shared
    assert host.judged(3 * GB, download=4 * GB, kin=2).startswith("failed: ")
    assert host.judged(12 * GB, download=4 * GB) == ""
    assert "what is free in /var/lib/docker is unknown" in host.judged(None, download=4 * GB)


def test_what_is_loaded_takes_twice_its_size(host: Told) -> None:
    def room(route: dict[str, str], size: int) -> int | None:
        known = {"qcluster_image": {"size": size, "file_size": size}}
        return module.loaded(host.call(known, route=route), host.reach(p1=known))

    assert room({"how": "stream", "source": "p1"}, 7) == 14
    assert room({"how": "fetch", "file": "/srv/image.tar"}, 7) == 14
    assert room({"how": "fetch", "file": "/srv/image.tar.gz"}, 7) == 42
    assert room({"how": "later", "source": "p1"}, 7) == 0
    assert room({"how": "fetch"}, 7) is None
    report = module.judged(host.call(), host.reach(), Room(False, False, 0, "/d", 10), 14)
    assert report.failed.startswith("10 B are free in /d for an archive that takes about 14 B while it is loaded: ")
