"""Two operators and a stranger's container: nobody steps on anybody's toes."""

from __future__ import annotations

import json

import pytest
from remote_control import Controller
from test_hosts_killed import ended

pytestmark = pytest.mark.hosts
BOX = "qcluster-real"
LOCK = "/var/lib/qcluster/real/lock"


def test_of_two_operators_at_once_the_second_is_refused_and_told_who_is_first(controller: Controller) -> None:
    inventory = str(controller.inventory())
    colleague = controller.colleague()
    running = controller.start("up", inventory, "--yes", "--skip-network")
    running.until(ended("Lock the deployment"))
    for verb in ("up", "down"):
        refused = colleague.run(verb, inventory, "--yes")
        assert refused.exit == 1, refused.text
        assert f"(pid {running.process.pid}), who runs `up`" in refused.err
    ran = running.finish()
    assert ran.exit == 0, ran.text
    again = colleague.run("up", inventory, "--yes", "--skip-network")
    assert again.exit == 0, again.text


def test_a_lock_of_another_controller_is_broken_only_on_request(controller: Controller) -> None:
    inventory = str(controller.inventory())
    node = controller.cluster.machines["node-2"]
    far = json.dumps({"who": "li", "where": "another-desk", "pid": 4711, "began": "1", "what": "up"})
    node.sh('mkdir -p "$1"; printf "%s\\n" "$2" >"$1/owner"', LOCK, far)
    ran = controller.run("up", inventory, "--yes", "--skip-network")
    assert ran.exit == 1, ran.text
    assert "node-2: locked by li@another-desk (pid 4711), who runs `up`" in ran.err
    assert "qcluster_break_lock=true" in ran.err
    assert all(machine.containers == [] for machine in controller.cluster.machines.values())
    assert controller.cluster.machines["node-1"].sh('ls "$1" 2>/dev/null', LOCK, check=False) == "", "both or none"
    ran = controller.run("up", inventory, "--yes", "--skip-network", "-e", "qcluster_break_lock=true")
    assert ran.exit == 0, ran.text


def test_a_foreign_container_of_the_same_name_is_never_touched(controller: Controller) -> None:
    inventory = str(controller.inventory())
    node = controller.cluster.machines["node-1"]
    image = node.sh("docker images -q | head -n 1").strip()
    state = 'docker inspect -f "{{.Id}} {{.State.StartedAt}} {{.State.Running}}" "$1"'
    node.run("docker", "run", "-d", "--net=host", "--name", BOX, image, "sleep", "600")
    try:
        before = node.sh(state, BOX)
        ran = controller.run("up", inventory, "--yes", "--skip-network")
        assert ran.exit == 1, ran.text
        assert f"a container called {BOX} exists that this deployment did not start" in ran.err
        down = controller.run("down", inventory, "--yes")
        assert down.exit == 0, down.text
        assert node.sh(state, BOX) == before
    finally:
        node.run("docker", "rm", "-f", BOX)
