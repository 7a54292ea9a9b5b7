"""What real Docker engines do to a deployment: a missing tag, a foreign container, engines and containers killed."""

from __future__ import annotations

import json
import signal
import time

import pytest
from remote_control import Controller

pytestmark = pytest.mark.hosts
BOX = "qcluster-real"
STATE = "/var/lib/qcluster/real"


def test_a_tag_that_the_registry_does_not_have_is_named(controller: Controller) -> None:
    ran = controller.run("up", str(controller.inventory(release="v0.24.0rc1")), "--yes", "--skip-network")
    assert ran.exit == 1, ran.text
    assert "the registry has no such tag" in ran.err
    assert all(machine.run("docker", "ps", "-aq").strip() == "" for machine in controller.cluster.machines.values())


def test_a_foreign_container_of_the_same_name_is_left_alone(controller: Controller) -> None:
    node = controller.cluster.machines["node-1"]
    image = node.run("sh", "-c", "docker images -q | head -n 1").strip()
    node.run("docker", "create", "--name", BOX, image, "true")
    ran = controller.run("up", str(controller.inventory()), "--yes", "--skip-network")
    assert ran.exit == 1, ran.text
    assert "did not start" in ran.err
    assert node.run("docker", "ps", "-a", "--format", "{{.Names}}").split() == [BOX]
    node.run("docker", "rm", "-f", BOX)


def test_what_dies_on_real_hosts_is_healed_by_the_next_up(controller: Controller) -> None:
    inventory = str(controller.inventory())
    running = controller.start("up", inventory, "--yes", "--skip-network")
    node = controller.cluster.machines["node-2"]
    deadline = time.monotonic() + 90
    while BOX not in node.run("docker", "ps", "--format", "{{.Names}}").split():
        assert time.monotonic() < deadline, "the engines did not start"
        time.sleep(0.3)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    ran = controller.run("up", inventory, "--yes", "--skip-network")
    assert ran.exit == 0, ran.text
    pid = node.run("cat", f"{STATE}/{BOX}/run/node-2-decode-0.pid").strip()
    node.run("docker", "exec", BOX, "bash", "-c", f"kill -KILL -- -{pid}")
    time.sleep(2)
    ran = controller.run("up", inventory, "--yes", "--skip-network", "-o", "json")
    assert ran.exit == 0, ran.text
    assert {host: tally["changed"] for host, tally in json.loads(ran.out)["recap"].items()} == {
        "node-1": 0,
        "node-2": 1,
    }
    node.run("docker", "kill", BOX)
    ran = controller.run("up", inventory, "--skip-network")
    assert ran.exit == 0, ran.text
