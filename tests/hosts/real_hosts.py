"""Real hosts on one machine: network namespaces with OpenSSH and a Docker engine each, and a real registry.

Only as root on Linux. Everything lives in namespaces made here and ends with the processes started here, by id.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from machine import Machine, end, sh
from real_registry import Registry

from qcluster.lab import furnish, toolbox
from qcluster.lab.layout import Lab, LabHost

HERE = Path(__file__).parent
NETWORK = "10.213.77"
"""The subnet inside the bridge's namespace; it exists nowhere else."""
REGISTRY = f"{NETWORK}.1:5000"


@dataclass
class Cluster:
    """The hosts, their network, the controller's namespace, the key that opens them, and the registry."""

    folder: Path
    prefix: str
    machines: dict[str, Machine] = field(default_factory=dict)
    registry: Registry = field(init=False)

    def __post_init__(self) -> None:
        self.registry = Registry(self.folder, self.controller(["docker-registry", "serve"]))

    @property
    def key(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def sim(self) -> Path:
        """What the simulated npu-smi and hccn_tool of all hosts answer from."""
        return self.folder / "sim"

    def controller(self, command: Sequence[str]) -> list[str]:
        """`command` as it runs in the controller's namespace: it can reach the hosts, and nothing else."""
        return ["ip", "netns", "exec", f"{self.prefix}-ctl", *command]


@contextmanager
def cluster(folder: Path, names: Sequence[str]) -> Iterator[Cluster]:
    """Hosts with these names, up and reachable. They are gone when the block ends."""
    prefix = f"qct{os.getpid()}"  # two runs at once are apart
    made = Cluster(folder, prefix)
    with ExitStack() as stack:
        _keys(made)
        _simulate(made, names)
        stack.enter_context(_bridge(prefix))
        stack.enter_context(_joined(prefix, "ctl", f"{NETWORK}.1"))
        stack.enter_context(made.registry)
        for number, name in enumerate(names):
            made.machines[name] = stack.enter_context(_machine(made, name, _address(number)))
        made.known_hosts.write_text(_known(made), encoding="utf-8")
        yield made


def _address(number: int) -> str:
    return f"{NETWORK}.{11 + number}"


def _simulate(made: Cluster, names: Sequence[str]) -> None:
    hosts = {
        name: LabHost(name, _address(number), "a3", tuple(range(16)), "25.5.1", number)
        for number, name in enumerate(names)
    }
    lab = Lab(made.sim, 22, hosts)
    made.sim.mkdir()
    furnish.furnish(lab)
    toolbox.fill(lab)


def _keys(made: Cluster) -> None:
    for name in ("id_ed25519", "host_key"):
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", made.folder / name)


def _known(made: Cluster) -> str:
    key = (made.folder / "host_key.pub").read_text(encoding="utf-8").split()[:2]
    return "".join(f"{machine.address} {' '.join(key)}\n" for machine in made.machines.values())


@contextmanager
def _bridge(prefix: str) -> Iterator[None]:
    with _namespace(f"{prefix}-net"):
        sh("ip", "-n", f"{prefix}-net", "link", "add", "br0", "type", "bridge")
        sh("ip", "-n", f"{prefix}-net", "link", "set", "br0", "up")
        yield


@contextmanager
def _namespace(name: str) -> Iterator[str]:
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    sh("ip", "netns", "add", name)
    sh("ip", "-n", name, "link", "set", "lo", "up")
    try:
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


@contextmanager
def _joined(prefix: str, name: str, address: str) -> Iterator[str]:
    """A namespace with one interface on the bridge."""
    bridge, port = f"{prefix}-net", f"v-{name}"[:15]
    with _namespace(f"{prefix}-{name}") as namespace:
        sh("ip", "-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", bridge)
        sh("ip", "-n", bridge, "link", "set", port, "master", "br0", "up")
        sh("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
        sh("ip", "-n", namespace, "link", "set", "eth0", "up")
        yield namespace


@contextmanager
def _machine(made: Cluster, name: str, address: str) -> Iterator[Machine]:
    folder = made.folder / name
    folder.mkdir()
    with _joined(made.prefix, name, address) as namespace:
        script = [str(HERE / "host.sh"), name, address, str(folder), REGISTRY, str(made.sim), str(HERE.parents[1])]
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, "unshare", "-m", "-u", "sh", *script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            _wait_ready(process)
            yield Machine(name, address, namespace, f"{made.prefix}-net", process)
        finally:
            end(process)
            if process.stdout:
                process.stdout.close()
            _sweep(namespace)
            shutil.rmtree(folder, ignore_errors=True)


def _wait_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    told = []
    for line in process.stdout:
        told.append(line)
        if line.strip() == "ready":
            return
    raise RuntimeError("the host did not come up:\n" + "".join(told))


def _sweep(namespace: str) -> None:
    """End what still runs in the namespace: containers' shims and what they started."""
    listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True).stdout.split()
    for pid in map(int, listed):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
