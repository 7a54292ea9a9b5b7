"""Where `qcluster` runs in these tests: in a namespace of its own, from a directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from real_hosts import NETWORK, REGISTRY, Cluster


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
