"""The hosts that these tests share: started once, reset by `down` between tests."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_image import push
from real_hosts import Cluster, cluster
from remote_control import Controller

NEEDED = ("ip", "tc", "nsenter", "unshare", "sshd", "dockerd", "docker", "docker-registry")


def _missing() -> list[str]:
    return [tool for tool in NEEDED if not shutil.which(tool, path="/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")]


def _leave(*_: object) -> None:
    pytest.exit("ended by SIGTERM", 143)


@pytest.fixture(scope="session")
def hosts() -> Iterator[Cluster]:
    """Two hosts with an image in the registry."""
    missing = _missing()
    if os.geteuid() != 0 or missing:
        why = f"needs root on Linux and {', '.join(missing) or 'nothing more'}"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    signal.signal(signal.SIGTERM, _leave)  # so that an ended run takes its hosts with it
    folder = Path(tempfile.mkdtemp(prefix="qct-", dir="/var/tmp"))
    try:
        with cluster(folder, ["node-1", "node-2"]) as made:
            push(made.machines["node-1"], "v0.23.0-a3")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def controller(hosts: Cluster, tmp_path: Path) -> Iterator[Controller]:
    """A controller; whatever its test left running, or left as files of the deployment, is taken away."""
    made = Controller(hosts, tmp_path)
    yield made
    if (tmp_path / "real.yaml").exists():
        made.run("down", str(tmp_path / "real.yaml"), "--yes", "-e", "qcluster_break_lock=true")
    for machine in hosts.machines.values():
        machine.sh("docker ps -aq --filter label=qcluster.deployment | xargs -r docker rm -f; rm -rf /var/lib/qcluster")
