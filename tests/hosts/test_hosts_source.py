"""`container_runtime: host` on real hosts: git and pip install what is missing, once, whatever the connection does."""

from __future__ import annotations

import time

import pytest
from machine import Machine
from remote_control import Controller, changed
from source_site import BUILDS, HOLD, MOONCAKE, PYTHON, RELEASE, source_site
from test_hosts_killed import began

pytestmark = pytest.mark.hosts
UP = ("--yes", "--skip-network")


def until(machine: Machine, script: str) -> None:
    deadline = time.monotonic() + 60
    while not machine.sh(script, check=False).strip():
        assert time.monotonic() < deadline, f"{script}: it does not become true"
        time.sleep(0.1)


def version(machine: Machine, package: str) -> str:
    return machine.sh(f"{PYTHON} -m pip show {package} 2>/dev/null | sed -n 's/^Version: //p'", check=False).strip()


def test_a_source_installation_is_joined_and_not_begun_again_after_a_lost_connection(controller: Controller) -> None:
    hosts = list(controller.cluster.machines.values())
    far = hosts[1]
    with source_site(controller.cluster) as variables:
        inventory = str(controller.inventory(**variables, **controller.impatient))
        far.sh(f"touch {HOLD}")
        running = controller.start("up", inventory, *UP)
        running.until(began("See which vLLM is installed"))
        until(far, f"grep -x vllm {BUILDS}")
        with far.cut_off():
            ran = running.finish()
        assert ran.exit == 3, ran.text
        assert "node-2" in ran.text and version(far, "vllm") == ""
        running = controller.start("up", inventory, *UP)
        running.until(began("See which vLLM is installed"))
        far.sh(f"rm {HOLD}")
        ran = running.finish()
        assert ran.exit == 0, ran.text
        for host in hosts:
            assert host.sh(f"cat {BUILDS}").split() == ["vllm", "vllm-ascend"], "each was built once"
            assert [version(host, name) for name in ("vllm", "vllm-ascend", MOONCAKE[0])] == [
                RELEASE,
                RELEASE,
                MOONCAKE[1],
            ]
            assert host.sh("git -C /root/vllm-ascend describe --tags").strip() == f"v{RELEASE}"
        again = controller.run("up", inventory, *UP, "-o", "json")
        assert (again.exit, changed(again.out)) == (0, {}), again.text
        down = controller.run("down", inventory, "--yes")
        assert down.exit == 0, down.text
        far.sh(f"{PYTHON} -m pip uninstall -q -y {MOONCAKE[0]}")
        refused = controller.run("up", inventory, *UP, "-e", "source_install=false")
        assert refused.exit == 1, refused.text
        assert "mooncake.engine cannot be imported (No module named 'mooncake')" in refused.err
