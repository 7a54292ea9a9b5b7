"""What a host itself does to a deployment: disks full, docker stopped, a wrong clock."""

from __future__ import annotations

import pytest
from real_hosts import REGISTRY
from remote_control import Controller
from test_hosts_trouble import without_image

from qcluster.modules.carriage import size

pytestmark = pytest.mark.hosts
STATE = "/var/lib/qcluster"
IMAGE = f"{REGISTRY}/ascend/vllm-ascend:v0.23.0-a3"
ONLY = ("--yes", "--skip-network", "--tags", "always,image")


def test_a_full_disk_is_named_before_and_while_the_image_arrives(controller: Controller) -> None:
    inventory = str(controller.inventory())
    without_image(controller)
    node = controller.cluster.machines["node-2"]
    with node.little_room("/var/lib/docker", 20_000):
        ran = controller.run("up", inventory, *ONLY)
        assert ran.exit == 1, ran.text
        weight = controller.cluster.registry.weight(IMAGE)
        told = (
            f"are free in /var/lib/docker for {IMAGE}, about {size(3 * weight)}: {size(weight)} to pull, 3 times that"
        )
        assert told in ran.err, ran.text
        assert node.sh('ls "$1"/real/jobs 2>/dev/null', STATE, check=False) == "", "nothing was pulled"
        ran = controller.run("up", inventory, *ONLY, "-e", "image_unpacks_to=0")
    assert ran.exit == 1, ran.text
    assert "the disk is full (free room where docker keeps images" in ran.err
    with node.little_room(STATE, 4):
        node.sh('head -c 4096 /dev/zero >"$1/filling"', STATE)
        ran = controller.run("up", inventory, "--yes", "--skip-network")
        assert node.sh('ls "$1"/*', STATE).split()[-1:] != ["lock"], "a lock without an owner"
    assert ran.exit == 1, ran.text
    assert f"node-2: no lock could be written in {STATE}/real" in ran.err, ran.text
    assert f"df -h {STATE}/real" in ran.err
    assert all(machine.containers == [] for machine in controller.cluster.machines.values())
    ran = controller.run("up", inventory, "--yes", "--skip-network")
    assert ran.exit == 0, ran.text


def test_a_stopped_docker_daemon_is_named_and_its_engines_come_back_with_the_next_up(controller: Controller) -> None:
    inventory = str(controller.inventory())
    node = controller.cluster.machines["node-2"]
    assert controller.run("up", inventory, "--yes", "--skip-network").exit == 0
    with node.docker_stopped(REGISTRY):
        shown = controller.run("status", inventory)
        assert shown.exit == 4, shown.text
        assert "node-2: docker does not answer (" in shown.err
        down = controller.run("down", inventory, "--yes", "--limit", "node-2")
        assert down.exit == 1, down.text
        assert "docker does not answer" in down.err
        ran = controller.run("up", inventory, "--yes", "--skip-network")
    assert ran.exit == 1, ran.text
    assert "docker does not answer" in ran.err and "systemctl start docker" in ran.err
    ran = controller.run("up", inventory, "--yes", "--skip-network")
    assert ran.exit == 0, ran.text


def test_a_wrong_clock_is_told_and_does_not_hinder(controller: Controller) -> None:
    inventory = str(controller.inventory())
    node = controller.cluster.machines["node-2"]
    with node.clock_ahead(600):
        ran = controller.run("up", inventory, "--yes")
        assert ran.exit == 0, ran.text
        assert "ahead of the controller's" in ran.err and "chronyd" in ran.err
        shown = controller.run("verify-network", inventory)
    assert shown.exit == 0, shown.text
    assert "clock" in shown.text
