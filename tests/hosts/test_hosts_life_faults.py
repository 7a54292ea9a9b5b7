"""What real Docker engines do to a deployment: a missing tag, a foreign container, engines and containers killed."""

from __future__ import annotations

import time

import pytest
from remote_control import Controller, changed

pytestmark = pytest.mark.hosts
BOX = "qcluster-real"
STATE = "/var/lib/qcluster/real"


def test_a_tag_that_the_registry_does_not_have_is_named(controller: Controller) -> None:
    ran = controller.run("up", str(controller.inventory(release="v0.24.0rc1")), "--yes", "--skip-network")
    assert ran.exit == 1, ran.text
    assert "the registry has no such tag" in ran.err
    assert all(machine.run("docker", "ps", "-aq").strip() == "" for machine in controller.cluster.machines.values())


def test_what_dies_on_real_hosts_is_healed_by_the_next_up(controller: Controller) -> None:
    inventory = str(controller.inventory())
    node = controller.cluster.machines["node-2"]
    assert controller.run("up", inventory, "--yes", "--skip-network").exit == 0
    pid = node.run("cat", f"{STATE}/{BOX}/run/node-2-decode-0.pid").strip()
    node.run("docker", "exec", BOX, "bash", "-c", f"kill -KILL -- -{pid}")
    time.sleep(2)
    ran = controller.run("up", inventory, "--yes", "--skip-network", "-o", "json")
    assert ran.exit == 0, ran.text
    assert changed(ran.out) == {"node-2": ["engine : Start the engines"]}
    node.run("docker", "kill", BOX)
    ran = controller.run("up", inventory, "--skip-network")
    assert ran.exit == 0, ran.text
