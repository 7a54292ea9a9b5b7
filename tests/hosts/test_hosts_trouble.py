"""What the surroundings of a deployment do: a registry that is gone, a slow cable."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from remote_control import Controller

pytestmark = pytest.mark.hosts


def without_image(controller: Controller) -> None:
    controller.cluster.machines["node-2"].sh("docker images -q | xargs -r docker rmi -f >/dev/null")


def test_a_registry_that_is_down_is_named_and_up_goes_on_when_it_is_back(controller: Controller) -> None:
    inventory = str(controller.inventory())
    without_image(controller)
    node = controller.cluster.machines["node-2"]
    with controller.cluster.registry.stopped(), node.little_room("/var/lib/docker", 20_000):
        ran = controller.run("up", inventory, "--yes", "--skip-network")
    assert ran.exit == 1, ran.text
    assert re.search(r"the size of \S+:v0.23.0-a3 is unknown \(.*connection refused\) and 20.5 MB are free in", ran.err)
    assert "the registry cannot be reached (put a reachable mirror first in `registries`" in ran.err
    assert all(machine.containers == [] for machine in controller.cluster.machines.values())
    ran = controller.run("up", inventory, "--yes", "--skip-network")
    assert ran.exit == 0, ran.text


def test_up_and_down_over_a_slow_cable(
    controller: Controller, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    inventory = str(controller.inventory())
    node = controller.cluster.machines["node-2"]
    with node.slow_link() as discipline:
        record_property("slow cable by", discipline)
        with capsys.disabled():
            print(f" [slow cable by {discipline}] ", end="")
        ran = controller.run("up", inventory, "--yes")
        assert ran.exit == 0, ran.text
        down = controller.run("down", inventory, "--yes")
        assert down.exit == 0, down.text
    assert node.containers == []
