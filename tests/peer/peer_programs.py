"""Both programs, run over one playbook, and what each says it did in one form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peer_machines import Machines

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


@dataclass
class Told:
    """`tasks[host]` is (task, status, ignored, values) in order; `recap[host]` the counters; `files` what is left."""

    exit: int
    tasks: dict[str, list[tuple[str, str, bool, dict[str, Any]]]] = field(default_factory=dict)
    recap: dict[str, dict[str, int]] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    output: str = ""


@dataclass(frozen=True)
class Case:
    """A playbook; its first comments say with which options it runs and which values are not compared, and why."""

    playbook: Path

    def _said(self, word: str) -> list[str]:
        lines = self.playbook.read_text().splitlines()
        return [word_ for line in lines if line.startswith(f"# {word}:") for word_ in line.split(":", 1)[1].split()]

    @property
    def options(self) -> list[str]:
        return self._said("options")

    @property
    def uncompared(self) -> set[str]:
        return set(self._said("uncompared"))


def ansible(case: Case, machines: Machines) -> Told:
    log = machines.folder / "ansible.jsonl"
    log.unlink(missing_ok=True)
    env = {
        **os.environ, "PEER_LOG": str(log), "ANSIBLE_STDOUT_CALLBACK": "peer", "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"), "ANSIBLE_ROLES_PATH": str(HERE / "playbooks" / "roles"),
        "ANSIBLE_PIPELINING": "1", "ANSIBLE_RETRY_FILES_ENABLED": "0", "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(machines.folder / "cp"), "ANSIBLE_HOME": str(machines.folder / "home"),
        "ANSIBLE_CONFIG": str(HERE / "ansible.cfg"), "ANSIBLE_DEPRECATION_WARNINGS": "0", "ANSIBLE_FORKS": "5",
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }  # fmt: skip
    command = [BIN / "ansible-playbook", "-i", machines.inventory, *case.options, case.playbook]
    done = _run(command, env, case.playbook.parent)
    told = Told(done.returncode, output=done.stdout.decode() + done.stderr.decode(), files=machines.files())
    for line in log.read_text().splitlines() if log.exists() else ():
        record = json.loads(line)
        if "recap" in record:
            told.recap = record["recap"]
        elif (record["task"], record["status"]) != ("meta", "skipped"):
            # A meta task whose condition is false is told of, but counts nowhere.
            row = (record["task"], record["status"], bool(record["ignored"]), record["values"])
            told.tasks.setdefault(record["host"], []).append(row)
    return told


def qcluster(case: Case, machines: Machines) -> Told:
    command = [BIN / "qcluster", "run", case.playbook, "-i", machines.inventory, "-o", "ndjson", *case.options]
    env = {**os.environ, "XDG_STATE_HOME": str(machines.folder / "state")}
    done = _run(command, env, case.playbook.parent)
    told = Told(done.returncode, output=done.stdout.decode() + done.stderr.decode(), files=machines.files())
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if event["event"] == "RunFinished":
            told.recap = event["recap"]
        elif event["event"] == "HostFinished":
            result = event["result"]
            row = (event["task"], result["status"], result["ignored"], result["values"])
            told.tasks.setdefault(event["host"], []).append(row)
    return told


def _run(command: list[Any], env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(word) for word in command], env=env, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, timeout=900
    )
