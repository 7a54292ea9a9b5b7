"""A host whose cable is pulled: while it pulls the image, while its engines start, and while it serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from real_hosts import REGISTRY
from remote_control import Controller
from test_hosts_killed import ended, moved

pytestmark = pytest.mark.hosts
BOX = "qcluster-real"
IMAGE = f"{REGISTRY}/ascend/vllm-ascend:v0.23.0-a3"
ROUNDED = 0.01
"""Docker tells a layer's size with three or four digits."""


def arrived(event: Mapping[str, Any]) -> bool:
    """Bytes of an image, as docker's own pull draws them."""
    return event.get("event") == "Progress" and (event["subject"], event["kind"]) == ("image", "bytes")


def test_a_host_that_is_cut_off_while_it_pulls_is_named_and_the_next_up_goes_on(controller: Controller) -> None:
    inventory = str(controller.inventory(**controller.impatient))
    node = controller.cluster.machines["node-2"]
    node.sh("docker images -q | xargs -r docker rmi -f >/dev/null")
    weight = controller.cluster.registry.weight(IMAGE)
    with node.slow_link():
        running = controller.start("up", inventory, "--yes", "--skip-network", "--tags", "always,image")
        running.until(moved("image", "trying"))
        seen = running.until(arrived)
        assert 0 < seen["done"] < seen["total"] and abs(seen["total"] - weight) <= ROUNDED * weight, (seen, weight)
        with node.cut_off():
            ran = running.finish()
    assert ran.exit == 3, ran.text
    assert "node-2" in ran.text and "connection was lost" in ran.text
    assert controller.cluster.machines["node-1"].containers == []
    again = controller.run("up", inventory, "--yes", "--skip-network", "-o", "ndjson")
    assert again.exit == 0, again.text
    told = [event for event in map(json.loads, again.out.splitlines()) if arrived(event)]
    # the pull goes on on its host, and may have come to its end before anybody could ask again
    assert not told or told[-1]["done"] == told[-1]["total"], told
    assert node.sh('docker image inspect -f "{{.Id}}" "$1"', IMAGE).strip(), "the image is there"


def test_a_host_that_is_cut_off_while_it_starts_ends_the_wait_and_the_next_up_goes_on(controller: Controller) -> None:
    inventory = str(controller.inventory(**controller.impatient))
    node = controller.cluster.machines["node-2"]
    running = controller.start("up", inventory, "--yes", "--skip-network")
    running.until(ended("Start the engines"))
    running.until(moved("node-2-decode", ""))
    with node.cut_off():
        ran = running.finish(240)
    assert ran.exit == 3, ran.text
    assert "node-2" in ran.text
    before = node.sh('docker inspect -f "{{.Id}}" "$1"', BOX)
    again = controller.run("up", inventory, "--yes", "--skip-network")
    assert again.exit == 0, again.text
    assert node.sh('docker inspect -f "{{.Id}}" "$1"', BOX) == before, "its engines were started again"


def test_a_serving_host_that_is_cut_off_keeps_its_engines_until_it_can_be_reached(controller: Controller) -> None:
    inventory = str(controller.inventory(**controller.impatient))
    near, far = controller.cluster.machines.values()
    assert controller.run("up", inventory, "--yes", "--skip-network").exit == 0
    with far.cut_off():
        shown = controller.run("status", inventory, "--json")
        assert shown.exit == 3, shown.text
        by_host = {one["host"]: one["health"] for one in json.loads(shown.out)["instances"]}
        assert by_host["node-1"] == "ok" and by_host["node-2"] != "ok"
        smoke = controller.run("smoke", inventory)
        assert smoke.exit == 3, smoke.text
        down = controller.run("down", inventory, "--yes")
        assert down.exit == 3, down.text
        assert near.containers == [], "what can be reached is stopped"
        assert "node-2" in down.err and f"qcluster down {inventory}" in down.err
        assert far.containers == [BOX]
    down = controller.run("down", inventory, "--yes")
    assert down.exit == 0, down.text
    assert far.containers == []
