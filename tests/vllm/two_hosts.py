"""Two hosts on loopback addresses behind a real OpenSSH server, and the `qcluster` that deploys on them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from parts import Parts
from sshd_servers import SshServer, make_key, me

__all__ = ["Hosts", "SshServer", "make_key"]

PREFILL, DECODE = "127.0.0.2", "127.0.0.3"
PORT, PROXY = 17100, 17199
SERVED = "qwen3.5"

INVENTORY = """\
all:
  vars:
    deployment: real
    ansible_user: {user}
    ansible_port: {port}
    ansible_ssh_private_key_file: {key}
    ansible_ssh_common_args: -o UserKnownHostsFile={known}
    state_root: "{folder}/{{{{ inventory_hostname }}}}"
    container_runtime: host
    model: {{recipe: Qwen3.5-27B-w8a8, weights: {model}}}
    hardware: a2
    npus: 1
    dp: 1
    tp: 1
    port_base: {base}
    proxy_port: {proxy}
    nic: lo
    jemalloc: "off"
    # no NPU is here to be looked at, no fabric, no vllm-ascend to be installed; random weights say nonsense
    preflight_enabled: false
    preflight_strict: false
    down_npus: false
    evaluation_npus: false
    source_package: ""
    source_dir: {source}
    engine_path: {programs}
    engine_stop_timeout: 20
    health_sense: false
    vllm_args: {{host: "{{{{ ip }}}}", enforce-eager: true, compilation-config: null}}
    vllm_env:
      PYTHONPATH: {plugin}
      VLLM_NO_USAGE_STATS: "1"
      VLLM_CPU_OMP_THREADS_BIND: nobind
      VLLM_SSM_CONV_STATE_LAYOUT: DS
  children:
    prefill:
      hosts:
        p1: {{ansible_host: {prefill}}}
    decode:
      hosts:
        d1: {{ansible_host: {decode}}}
"""


@dataclass(frozen=True)
class Ran:
    exit: int
    text: str


@dataclass(frozen=True)
class Hosts:
    """`folder` holds the hosts' state and is where `qcluster` runs."""

    folder: Path
    server: SshServer
    parts: Parts

    @property
    def inventory(self) -> Path:
        return self.folder / "real.yaml"

    @property
    def wide(self) -> Path:
        """The same deployment with the model of many words."""
        path = self.folder / "wide.yaml"
        path.write_text(self.inventory.read_text().replace(str(self.parts.model), str(self.parts.wide)))
        return path

    def write_inventory(self) -> None:
        known = self.folder / "known_hosts"
        known.write_text("".join(self.server.known_line(f"[{at}]:{self.server.port}") for at in (PREFILL, DECODE)))
        parts = self.parts
        text = INVENTORY.format(
            user=me(), port=self.server.port, key=self.server.key, known=known, folder=self.folder, model=parts.model,
            base=PORT, proxy=PROXY, source=parts.source, programs=parts.programs, plugin=parts.plugin,
            prefill=PREFILL, decode=DECODE,
        )  # fmt: skip
        self.inventory.write_text(text)

    def run(self, verb: str, *words: str, timeout: float = 600) -> Ran:
        """`qcluster VERB …`; after `timeout` seconds it and what it started here is killed."""
        with self.begin(verb, *words) as begun:
            try:
                text, _ = begun.communicate(timeout=timeout)
            except BaseException:
                begun.kill()
                raise
        return Ran(begun.returncode, text)

    def begin(self, verb: str, *words: str) -> subprocess.Popen[str]:
        """`qcluster VERB …`, not waited for."""
        return subprocess.Popen(
            [sys.executable, "-m", "qcluster", verb, *words], cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1", "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def up(self) -> Ran:
        return self.run("up", str(self.inventory), "--yes", "--skip-network")

    def down(self) -> Ran:
        return self.run("down", str(self.inventory), "--yes", timeout=120)

    def end(self) -> None:
        """Whatever state a failed test left: nothing of it runs any more."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.down()
        for group in self._left() - {os.getpgrp()}:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def _left(self) -> set[int]:
        """Groups of entry scripts under this folder, and those in its pid files that hold this test's programs."""
        noted = {int(file.read_text() or 0) for file in self.folder.glob("*/real/*/run/*.pid")}
        scripts = {group for _, group, title in _processes() if f"{self.folder}/" in title and "/entry.sh" in title}
        return scripts | (noted & {group for pid, group, _ in _processes() if str(self.parts.root) in _maps(pid)})

    def run_file(self, name: str) -> Path:
        """A file of the entry script: `p1-prefill-0.pid`, `d1-decode-0.exit`."""
        return self.folder / name[:2] / "real/qcluster-real/run" / name

    def group(self, instance: str) -> int:
        return int(self.run_file(f"{instance}.pid").read_text())


def members(group: int) -> dict[int, str]:
    """The living processes of a process group: id → title."""
    return {pid: title for pid, pgid, title in _processes() if pgid == group}


def engines(root: Path) -> dict[int, str]:
    """The processes of the real vLLM under `root` that have its titles. Simulated ones are somebody else's."""
    titled = {pid: title for pid, _, title in _processes() if title.startswith("VLLM::")}
    return {pid: title for pid, title in titled.items() if str(root) in _maps(pid)}


def running(program: Path) -> set[int]:
    """The processes that are this Python program."""
    return {pid for pid, _, title in _processes() if f" {program} " in title}


def _maps(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def _processes() -> Iterator[tuple[int, int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, line = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _parent, group = stat.rpartition(")")[2].split()[:3]
        if state != "Z":
            yield int(folder.name), int(group), line.replace(b"\0", b" ").decode(errors="replace").strip()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def ask(address: str, port: int, prompt: str) -> str:
    """The text that a completion gives, at temperature 0."""
    body = {"model": SERVED, "prompt": prompt, "max_tokens": 12, "temperature": 0}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{address}:{port}/v1/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        told: Any = json.load(answer)
    return str(told["choices"][0]["text"])


def transferred(address: str = DECODE) -> float:
    """Prompt tokens whose KV cache an engine was given by another one."""
    with urllib.request.urlopen(f"http://{address}:{PORT}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = re.findall(
        r'^vllm:prompt_tokens_by_source_total\{[^}]*source="external_kv_transfer"[^}]*\} (\S+)', text, re.M
    )
    return sum(map(float, found))
