"""Where `qcluster` runs in these tests: in a namespace of its own, from a directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from real_hosts import NETWORK, REGISTRY, Cluster


@dataclass(frozen=True)
class Ran:
    exit: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def changed(document: str) -> dict[str, list[str]]:
    """What a run in its JSON form says that it changed: host → tasks."""
    tasks = [task for play in json.loads(document)["plays"] for task in play["tasks"]]
    found: dict[str, list[str]] = {}
    for task in tasks:
        for host, result in task["hosts"].items():
            if result["status"] == "changed":
                found.setdefault(host, []).append(task["task"])
    return found


@dataclass
class Running:
    """`qcluster … -o ndjson` in the background; its events are read as they come."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def until(self, holds: Callable[[Mapping[str, Any]], bool], seconds: float = 120) -> Mapping[str, Any]:
        """The first event that fits. Fails with all that was said when the run ends, or is ended, before."""
        assert self.process.stdout
        late = threading.Timer(seconds, self.process.kill)
        late.start()
        try:
            for line in self.process.stdout:
                self.said.append(line)
                event = json.loads(line) if line.startswith("{") else {}
                if holds(event):
                    return event
        finally:
            late.cancel()
        told = [line[:300] for line in self.said[-40:] if "CommandRan" not in line]
        raise AssertionError("\n".join(["it never came that far:", *told]))

    def kill(self) -> None:
        """kill -9: no chance to tidy up."""
        self.process.kill()
        self.process.communicate()

    def finish(self, seconds: float = 180) -> Ran:
        said, _ = self.process.communicate(timeout=seconds)
        return Ran(self.process.returncode, "".join(self.said) + said, "")


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

    def start(self, *args: str) -> Running:
        """`qcluster …` in the background, for tests that look at it or end it midway."""
        return Running(
            subprocess.Popen(
                self.command(*args, "-o", "ndjson"),
                cwd=self.folder,
                env=self.environ({}),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        )

    @property
    def ssh(self) -> str:
        return f"-o UserKnownHostsFile={self.cluster.known_hosts}"

    @property
    def impatient(self) -> dict[str, str]:
        """A cable that is out is noticed after 12 s, not after 40."""
        return {"ansible_ssh_common_args": f"{self.ssh} -o ServerAliveInterval=3"}

    def colleague(self) -> Controller:
        """Another operator: the same hosts and inventory from a directory of their own."""
        folder = self.folder / "colleague"
        folder.mkdir()
        return replace(self, folder=folder)

    def inventory(self, **changes: str) -> Path:
        """1P1D over the two hosts, with a few NPUs each so that 2 cores carry it."""
        sizes = {"npus": "[0, 1, 2, 3]", "dp": "2", "tp": "2"}
        variables = {"deployment": "real", "ansible_ssh_common_args": self.ssh, **sizes, **LIMITS, **changes}
        lines = [f"    {name}: {value}" for name, value in variables.items()]
        path = self.folder / "real.yaml"
        path.write_text(INVENTORY.format(key=self.cluster.key, vars="\n".join(lines)))
        return path


LIMITS = {"engine_nofile": "4096", "proxy_nofile": "4096"}
"""A container in a sandbox may not have more open files than the sandbox."""

INVENTORY = f"""
all:
  vars:
    ansible_user: root
    ansible_ssh_private_key_file: {{key}}
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
