"""A lab's hosts on disk, without its daemon: what a simulated tool needs to run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qcluster.lab import addresses, boot, faults
from qcluster.lab.furnish import furnish
from qcluster.lab.layout import Lab, LabHost, save
from qcluster.lab.toolbox import fill, link

PACE = "0.2"


@dataclass(frozen=True)
class LabSite:
    lab: Lab

    def env(self, host: str) -> dict[str, str]:
        root = self.lab.root(host)
        path = f"{root}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "HOME": f"{root}/home", "QCLUSTER_LAB_ROOT": str(root), "QCLUSTER_LAB_PACE": PACE}

    def run(self, host: str, *words: str, stdin: bytes = b"", **extra: str) -> subprocess.CompletedProcess[str]:
        """One command on a host, with its exit code and both streams."""
        env = {**self.env(host), **extra}
        tool = self.lab.root(host) / "bin" / words[0]
        argv = [str(tool) if tool.exists() else words[0], *words[1:]]
        done = subprocess.run(argv, input=stdin, capture_output=True, env=env, check=False, timeout=60)
        return subprocess.CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())

    def out(self, host: str, *words: str) -> str:
        done = self.run(host, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fault(self, name: str, *words: str) -> None:
        faults.put(self.lab.directory, name, words)

    def mend(self) -> None:
        faults.clear(self.lab.directory)

    def address(self, host: str) -> str:
        return self.lab.hosts[host].address

    def close(self) -> None:
        boot.end_processes(self.lab)


def make(directory: Path, hosts: Sequence[LabHost]) -> LabSite:
    """Furnish the hosts; addresses that no other lab uses are chosen for them."""
    directory.mkdir(parents=True, exist_ok=True)
    numbered = {
        host.name: LabHost(
            host.name, host.address, host.hardware, host.npus or tuple(range(16 if host.hardware == "a3" else 8)),
            host.software or ("25.5.1" if host.hardware == "a3" else "25.2.0"), index,
        )
        for index, host in enumerate(hosts)
    }  # fmt: skip
    lab = addresses.place(Lab(directory, 0, numbered))
    save(lab)
    fill(lab)
    furnish(lab)
    for name in lab.hosts:
        link(lab, name)
    return LabSite(lab)


def is_root() -> bool:
    return os.geteuid() == 0
