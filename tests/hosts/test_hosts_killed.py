"""A controller that is killed with -9, stage by stage, and the next `up`, which goes on from what the hosts show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from remote_control import Controller, changed

pytestmark = pytest.mark.hosts
BOX = "qcluster-real"
ID = 'docker inspect -f "{{.Id}}" "$1"'

Event = Mapping[str, Any]


def began(title: str) -> Callable[[Event], bool]:
    return lambda event: event.get("event") == "TaskStarted" and event["task"].endswith(title)


def ended(title: str) -> Callable[[Event], bool]:
    return lambda event: event.get("event") == "HostFinished" and event["task"].endswith(title)


def moved(subject: str, text: str) -> Callable[[Event], bool]:
    return lambda event: (
        event.get("event") == "Progress" and (event["subject"].startswith(subject) and text in event["text"])
    )


STAGES = {
    "facts": ended("Lock the deployment"),
    "image": began("Begin to fetch the weights"),
    "weights": began("Check the NPU fabric and the host network"),
    "network": moved("network", "of 16 probes"),
    "engines": moved("node-2-decode", ""),
    "proof": moved("proof", ""),
}
"""What is going on when the controller dies: the lock is held, docker pulls, weights arrive, listeners hold the ports
of the plan, engines load, clients ask."""


def test_up_goes_on_wherever_its_controller_was_killed(controller: Controller) -> None:
    inventory = str(controller.inventory())
    first, second = controller.cluster.machines.values()
    second.sh("docker images -q | xargs -r docker rmi -f >/dev/null")
    for machine in (first, second):
        machine.sh("rm -rf ~/.cache/qcluster")
    for stage, reached in STAGES.items():
        running = controller.start("up", inventory, "--yes")
        running.until(reached)
        running.kill()
        assert second.sh('ls "$1"', "/var/lib/qcluster/real/lock").split() == ["owner"], stage
    before = {machine.name: machine.sh(ID, BOX) for machine in (first, second)}
    ran = controller.run("up", inventory, "--yes", "-o", "json")
    assert ran.exit == 0, ran.text
    assert changed(ran.out) == {"node-1": ["Remember what runs where"]}, "the first run was killed before it could"
    assert {machine.name: machine.sh(ID, BOX) for machine in (first, second)} == before
    assert controller.run("down", inventory, "--yes").exit == 0
    for machine in (first, second):
        assert machine.containers == []
        assert machine.sh("ls /var/lib/qcluster/real").split().count("lock") == 0
