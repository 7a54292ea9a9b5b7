"""One host of these tests, from outside: commands in it past SSH, and the troubles it can be put into and out of."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

DOCKER = "/etc/qcluster-test/docker.sh"
SLOW = ("netem", "delay", "60ms", "loss", "0.5%", "rate", "4mbit")
SLOW_WITHOUT_NETEM = ("tbf", "rate", "2mbit", "burst", "16kb", "latency", "500ms")
"""Kernels without netem have a token bucket at least: its queue makes the delay."""


def sh(*command: str | Path, **options: object) -> str:
    """Run to success; the output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{command}: {done.returncode}: {done.stdout}{done.stderr}")
    return str(done.stdout)


@dataclass
class Machine:
    """One host. `process` is its init: ending it ends the host. `bridge` is the namespace its cable ends in."""

    name: str
    address: str
    namespace: str
    bridge: str
    process: subprocess.Popen[str]

    def run(self, *command: str, check: bool = True, stdin: bytes = b"") -> str:
        """A command inside the host, past SSH."""
        entered = ("nsenter", "-t", str(self.process.pid), "-m", "-u", "-n", "--", *command)
        told = subprocess.run(entered, capture_output=True, input=stdin, timeout=120)
        done = subprocess.CompletedProcess(entered, told.returncode, told.stdout.decode(), told.stderr.decode())
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {command}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def sh(self, script: str, *args: str, check: bool = True) -> str:
        """A few lines of shell inside the host."""
        return self.run("sh", "-c", script, "sh", *args, check=check)

    @property
    def containers(self) -> list[str]:
        """Names of all containers, running or not."""
        return self.run("docker", "ps", "-a", "--format", "{{.Names}}").split()

    def link(self, state: str) -> None:
        sh("ip", "-n", self.namespace, "link", "set", "eth0", state)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """The cable is out; nobody is told."""
        self.link("down")
        try:
            yield
        finally:
            self.link("up")

    @contextmanager
    def docker_stopped(self, registry: str) -> Iterator[None]:
        self.run("sh", DOCKER, "stop")
        try:
            yield
        finally:
            self.run("sh", DOCKER, registry)

    @contextmanager
    def slow_link(self) -> Iterator[str]:
        """Both directions of the cable: delay, loss and little room. Gives the discipline's name."""
        ends = ((self.namespace, "eth0"), (self.bridge, f"v-{self.name}"[:15]))
        try:
            kinds = [_disciplined(namespace, device) for namespace, device in ends]
            yield kinds[0]
        finally:
            for namespace, device in ends:
                with suppress(RuntimeError):
                    sh("ip", "netns", "exec", namespace, "tc", "qdisc", "del", "dev", device, "root")

    @contextmanager
    def little_room(self, folder: str, kib: int) -> Iterator[None]:
        """The file system at `folder` has only `kib` KiB left; a folder on no file system of its own gets one."""
        if self.sh('mountpoint -q "$1" && echo yes', folder, check=False):
            size, used = self.sh("df -Pk \"$1\" | tail -n 1 | awk '{print $2, $3}'", folder).split()
            change = f"mount -o remount,size={int(used) + kib}k {folder}"
            undo = f"mount -o remount,size={size}k {folder}"
        else:
            change, undo = f"mkdir -p {folder}; mount -t tmpfs -o size={kib}k full {folder}", f"umount {folder}"
        self.sh(change)
        try:
            yield
        finally:
            self.sh(undo)

    @contextmanager
    def clock_ahead(self, seconds: int) -> Iterator[None]:
        """`date` tells another time here. The machine's own clock cannot differ for one host, and sshd does not bear
        libfaketime; but `date` is all that qcluster asks of a host's clock."""
        wrapper = f'#!/bin/sh\nexec /usr/bin/date -d "{seconds} seconds" "$@"\n'
        self.sh('printf "%s" "$1" >/usr/local/bin/date; chmod +x /usr/local/bin/date', wrapper)
        try:
            yield
        finally:
            self.run("rm", "/usr/local/bin/date")


def _disciplined(namespace: str, device: str) -> str:
    command = ("ip", "netns", "exec", namespace, "tc", "qdisc", "replace", "dev", device, "root")
    with suppress(RuntimeError):
        sh(*command, *SLOW)
        return "netem"
    sh(*command, *SLOW_WITHOUT_NETEM)
    return "tbf"


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """SIGTERM, then SIGKILL."""
    process.terminate()
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if process.poll() is None:
        process.kill()
    process.wait()
