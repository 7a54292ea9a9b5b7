"""The hosts that these tests share: started once, reset by `down` between tests."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_image import push
from real_hosts import Cluster, cluster
from remote_control import Controller

NEEDED = ("ip", "nsenter", "unshare", "sshd", "dockerd", "docker", "docker-registry")


def _missing() -> list[str]:
    return [tool for tool in NEEDED if not shutil.which(tool, path="/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")]


@pytest.fixture(scope="session")
def hosts() -> Iterator[Cluster]:
    """Two hosts with an image in the registry."""
    missing = _missing()
    if os.geteuid() != 0 or missing:
        why = f"needs root on Linux and {', '.join(missing) or 'nothing more'}"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="qct-", dir="/var/tmp"))
    try:
        with cluster(folder, ["node-1", "node-2"]) as made:
            push(made.machines["node-1"], "v0.23.0-a3")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def controller(hosts: Cluster, tmp_path: Path) -> Iterator[Controller]:
    """A controller; whatever its test left running is taken down."""
    made = Controller(hosts, tmp_path)
    yield made
    if (tmp_path / "real.yaml").exists():
        made.run("down", str(tmp_path / "real.yaml"), "--yes")
