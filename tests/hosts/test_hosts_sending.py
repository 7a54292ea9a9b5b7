"""Images on real Docker engines: sent by the host that pulled it, and loaded from an archive of the controller."""

from __future__ import annotations

import base64
import re

import pytest
from real_hosts import REGISTRY
from remote_control import Controller

pytestmark = pytest.mark.hosts
IMAGE = f"{REGISTRY}/ascend/vllm-ascend:v0.23.0-a3"
ONLY = ("--yes", "--skip-network", "--tags", "always,image")


def test_an_image_comes_from_another_host_and_from_an_archive_of_the_controller(controller: Controller) -> None:
    one, two = (controller.cluster.machines[name] for name in ("node-1", "node-2"))
    for machine in (one, two):
        machine.run("sh", "-c", "docker images -q | xargs -r docker rmi -f", check=False)
    ran = controller.run("up", str(controller.inventory(image_source="from node-2")), *ONLY, "-o", "ndjson")
    assert ran.exit == 0, ran.text
    assert layers(one) == layers(two)
    assert re.search(r'"kind": ?"bytes".*"subject": ?"image"|"subject": ?"image".*"kind": ?"bytes"', ran.text), ran.text
    assert digests(two) and not digests(one), "node-1 has never asked the registry"
    archive = controller.folder / "image.tar"
    archive.write_bytes(base64.b64decode(two.run("sh", "-c", f"docker save {IMAGE} | base64 -w 0")))
    for machine in (one, two):
        machine.run("docker", "rmi", "-f", IMAGE)
    ran = controller.run("up", str(controller.inventory(image_source="load image.tar")), *ONLY)
    assert ran.exit == 0, ran.text
    assert layers(one) == layers(two)
    assert one.run("sh", "-c", "find /var/lib/qcluster -name '*.tar'") == ""


def layers(machine: object) -> str:
    return str(machine.run("docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", IMAGE))  # type: ignore[attr-defined]


def digests(machine: object) -> bool:
    text = machine.run("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", IMAGE)  # type: ignore[attr-defined]
    return "sha256" in text
