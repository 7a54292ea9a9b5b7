"""up, up again, down: over real OpenSSH, real Docker engines and a real registry; only the NPUs are simulated."""

from __future__ import annotations

import json

import pytest
from remote_control import Controller, changed

pytestmark = pytest.mark.hosts


def test_up_twice_changes_nothing_the_second_time_and_down_leaves_nothing(controller: Controller) -> None:
    inventory = str(controller.inventory())
    first = controller.run("up", inventory, "--yes")
    assert first.exit == 0, first.text
    again = controller.run("up", inventory, "--yes", "-o", "json")
    assert again.exit == 0, again.text
    assert changed(again.out) == {}
    shown = controller.run("status", inventory, "--json")
    assert {one["health"] for one in json.loads(shown.out)["instances"]} == {"ok"}
    down = controller.run("down", inventory, "--yes")
    assert down.exit == 0, down.text
    for machine in controller.cluster.machines.values():
        assert machine.run("docker", "ps", "-aq").strip() == ""
