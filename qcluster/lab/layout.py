"""A lab on disk: where everything lies, and the wish (`lab.json`) that the daemon fulfils.

LAB/lab.json            which hosts, on which addresses, behind which port
LAB/ready.json          what the daemon serves now, and its pid
LAB/bin  LAB/image      the simulated tools: those of a host, and those inside a container image
LAB/fabric/ADDRESS      "host npu": who owns an NPU's address
LAB/faults/NAME/KEY     what is broken now (see faults.py)
LAB/hosts/NAME/         the host's own files: QCLUSTER_LAB_ROOT of everything that runs "on" it
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

SOFTWARE = {"a2": "25.2.0", "a3": "25.5.1"}
"""The npu-smi version that a simulated host shows unless told otherwise."""

NPUS = {"a2": 8, "a3": 16}
"""NPUs of one machine by hardware (a die is an NPU on A3)."""


@dataclass(frozen=True)
class LabHost:
    """One simulated machine. `npus` are the physical ids that exist; `software` is its npu-smi version."""

    name: str
    address: str
    hardware: str = "a3"
    npus: tuple[int, ...] = ()
    software: str = ""
    index: int = 0


@dataclass(frozen=True)
class Lab:
    """A lab as it should be. `port` is the SSH port of every host; each has its own loopback address."""

    directory: Path
    port: int = 0
    hosts: Mapping[str, LabHost] = field(default_factory=dict)

    @property
    def wish(self) -> Path:
        return self.directory / "lab.json"

    @property
    def ready(self) -> Path:
        return self.directory / "ready.json"

    @property
    def client_key(self) -> Path:
        return self.directory / "client_key"

    @property
    def host_key(self) -> Path:
        return self.directory / "host_key"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def root(self, host: str) -> Path:
        return self.directory / "hosts" / host


def write_whole(path: Path, text: str) -> None:
    """Replace `path` in one step, so that a reader never sees half a file."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.replace(path)


def save(lab: Lab) -> None:
    hosts = {name: asdict(host) for name, host in lab.hosts.items()}
    write_whole(lab.wish, json.dumps({"port": lab.port, "hosts": hosts}, indent=1))


def load(directory: Path) -> Lab:
    """The lab that `directory` describes; an empty one where there is none."""
    try:
        stored = json.loads((directory / "lab.json").read_text())
    except (FileNotFoundError, ValueError):
        return Lab(directory)
    hosts = {name: LabHost(**{**values, "npus": tuple(values["npus"])}) for name, values in stored["hosts"].items()}
    return Lab(directory, stored["port"], hosts)


def served(lab: Lab) -> dict[str, object]:
    """What the daemon said last: `pid`, `port`, `hosts`. Empty when it never ran."""
    try:
        answer = json.loads(lab.ready.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    assert isinstance(answer, dict)
    return answer
