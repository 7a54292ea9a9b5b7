"""Record what ansible-playbook does with every playbook here: `python tests/cases/engine/record.py [NAME...]`.

The answers go to tests/golden/engine; the unit tests hold qcluster to them without Ansible.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
GOLDEN = HERE.parents[1] / "golden" / "engine"
EXITS = {0: 0, 2: 1, 4: 3}
"""Ansible's exit codes and those of qcluster that mean the same."""


def options(playbook: Path) -> list[str]:
    """What the first comment says: `# args: --tags a`."""
    first = playbook.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("# args:").split() if first.startswith("# args:") else []


def record(playbook: Path, work: str) -> dict[str, object]:
    """Run one playbook under Ansible, connections local."""
    env = {
        **os.environ,
        "ANSIBLE_STDOUT_CALLBACK": "lines",
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [program, "-i", HERE / "inventory.yaml", playbook, "-e", f"work={work}", *options(playbook)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return told(done.stdout.splitlines(), EXITS[done.returncode])


def told(lines: list[str], code: int) -> dict[str, object]:
    """The callback's lines as a golden file holds them. Messages of failures are each program's own."""
    answer: dict[str, object] = {"exit": code}
    tasks: dict[str, list[object]] = {}
    recap: dict[str, dict[str, int]] = {}
    for host, *row in (json.loads(line) for line in lines if line.startswith('["')):
        if host == "RECAP":
            recap[row[0]] = {"failed" if name == "failures" else name: count for name, count in row[1].items()}
        else:
            tasks.setdefault(host, []).append(row if row[1] in ("ok", "changed") else row[:2])
    return {**answer, "recap": recap, "tasks": tasks}


def main() -> None:
    for playbook in sorted(HERE.glob("*.yml")):
        if not sys.argv[1:] or playbook.stem in sys.argv[1:]:
            with tempfile.TemporaryDirectory() as work:
                text = json.dumps(record(playbook, work), indent=1, sort_keys=True, ensure_ascii=False)
            (GOLDEN / f"{playbook.stem}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
