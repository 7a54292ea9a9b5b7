"""`--ask-become-pass` where nobody can be asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_without_a_terminal_it_says_what_to_do_instead(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n")
    (tmp_path / "play.yml").write_text("- {hosts: all, gather_facts: false, tasks: [{debug: {msg: hi}}]}\n")
    ran = subprocess.run(
        [sys.executable, "-m", "qcluster", "run", "play.yml", "-i", "hosts.yml", "-K"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # no controlling terminal either
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )
    assert ran.returncode == 2 and "Aborted" not in ran.stderr, ran.stderr
    assert "--ask-become-pass: no terminal to ask at" in ran.stderr and "ansible_become_password" in ran.stderr
