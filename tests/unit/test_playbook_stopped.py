"""A run that is ended from outside says so in its journal: SIGTERM, SIGHUP, and a pipe that nobody reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SITE = """\
- hosts: all
  gather_facts: false
  vars: {begun: "{{ inventory_dir }}/begun"}
  tasks:
    - {name: First, debug: {msg: first}}
    - {name: Second, shell: "touch {{ begun }}; while [ -e {{ begun }} ]; do sleep 0.1; done"}
    - {name: Third, file: {path: "{{ inventory_dir }}/third", state: touch}}
"""
RUN = (sys.executable, "-m", "qcluster", "run", "site.yml", "-i", "hosts.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yaml").write_text("all: {hosts: {a: {ansible_connection: local}}}\n")
    (tmp_path / "site.yml").write_text(SITE)
    return tmp_path


@pytest.fixture
def sleeping(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run in the middle of its second task."""
    process = subprocess.Popen(RUN, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr
    try:
        while not (folder / "begun").exists():
            assert process.poll() is None
            os.sched_yield()
        yield process
    finally:
        (folder / "begun").unlink(missing_ok=True)  # its command goes on, as on a host: let it end
        process.kill()
        process.communicate()


def summary(folder: Path) -> dict[str, object]:
    (told,) = (folder / ".qcluster/runs").glob("*/run.json")
    return dict(json.loads(told.read_text()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_as_ctrl_c_does(
    folder: Path, sleeping: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    sleeping.send_signal(number)
    assert sleeping.wait(30) == 128 + number
    told = summary(folder)
    assert told["exit"] == 128 + number and isinstance(told["elapsed"], float)
    assert not (folder / "third").exists()


def test_a_run_whose_output_nobody_reads_ends_and_says_so(folder: Path) -> None:
    (folder / "site.yml").write_text(SITE.replace("while", "rm {{ begun }}; while"))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(RUN, cwd=folder, stdout=writer, stderr=writer, timeout=60, check=False)
    os.close(writer)
    assert done.returncode == 128 + signal.SIGPIPE
    assert summary(folder)["exit"] == 128 + signal.SIGPIPE
    assert not (folder / "third").exists()
