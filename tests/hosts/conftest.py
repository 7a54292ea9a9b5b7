"""The hosts that these tests share: started once, reset by `down` between tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import image
from machines import NETWORK, REGISTRY, Cluster, cluster

NEEDED = ("ip", "nsenter", "unshare", "sshd", "dockerd", "docker", "docker-registry")


def _missing() -> list[str]:
    return [tool for tool in NEEDED if not shutil.which(tool, path="/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")]


@dataclass(frozen=True)
class Ran:
    exit: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Controller:
    """Where `qcluster` runs: in a namespace of its own, from a directory of its own."""

    cluster: Cluster
    folder: Path

    def command(self, *args: str) -> list[str]:
        return self.cluster.controller([sys.executable, "-m", "qcluster", *args])

    def environ(self, extra: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, "NO_COLOR": "1", "HOME": str(self.folder), **extra}

    def run(self, *args: str, timeout: float = 180, **extra: str) -> Ran:
        done = subprocess.run(
            self.command(*args),
            cwd=self.folder,
            env=self.environ(extra),
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *args: str) -> subprocess.Popen[str]:
        """`qcluster …` in the background, for tests that interrupt it."""
        return subprocess.Popen(
            self.command(*args),
            cwd=self.folder,
            env=self.environ({}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def inventory(self, **changes: str) -> Path:
        """1P1D over the two hosts, with a few NPUs each so that 2 cores carry it."""
        variables = {"deployment": "real", "npus": "[0, 1, 2, 3]", "dp": "2", "tp": "2", **LIMITS, **changes}
        lines = [f"    {name}: {value}" for name, value in variables.items()]
        path = self.folder / "real.yaml"
        path.write_text(INVENTORY.format(key=self.cluster.key, known=self.cluster.known_hosts, vars="\n".join(lines)))
        return path


LIMITS = {"engine_nofile": "4096", "proxy_nofile": "4096"}
"""A container in a sandbox may not have more open files than the sandbox."""

INVENTORY = f"""
all:
  vars:
    ansible_user: root
    ansible_ssh_private_key_file: {{key}}
    ansible_ssh_common_args: -o UserKnownHostsFile={{known}}
    model: Qwen3.5-27B-w8a8
    hardware: a3
    registries: ["{REGISTRY}/ascend"]
    ip: "{{{{{{{{ ansible_host }}}}}}}}"
{{vars}}
  children:
    prefill:
      hosts:
        node-1: {{{{ansible_host: {NETWORK}.11}}}}
    decode:
      hosts:
        node-2: {{{{ansible_host: {NETWORK}.12}}}}
"""


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
            image.push(made.machines["node-1"], "v0.23.0-a3")
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
