"""A reporter that fails ends no run: the others hear on, and the end tells what is not whole."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from qcluster.errors import Stopped
from qcluster.events import Event, PlayFinished
from qcluster.report.fanout import fan_out
from qcluster.report.journal import expectation
from qcluster.report.mishaps import Mishaps
from qcluster.report.serialise import Mask
from qcluster.report.timings import Expected

PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - {name: Wave, debug: {msg: hello}}
    - {name: Leave a trace, copy: {content: done, dest: "{{ trace }}"}}
"""


class Full:
    """Writes to a disk without room."""

    heard = 0

    def __call__(self, event: Event) -> None:
        self.heard += 1
        raise OSError(errno.ENOSPC, "No space left on device")


class Wrong:
    def __call__(self, event: Event) -> None:
        raise NameError("name 'partly' is not defined")


def test_others_hear_on_and_the_first_error_of_each_is_told_once() -> None:
    heard: list[Event] = []
    full, mishaps = Full(), Mishaps()
    emit = fan_out([full, Wrong(), heard.append], Mask(), mishaps)
    for at in (1.0, 2.0):
        emit(PlayFinished(at, "p"))
    assert [event.at for event in heard] == [1.0, 2.0] and full.heard == 2
    disk, remedy, bug, ask = mishaps.lines()
    assert disk.startswith("Full: this report is not whole (OSError: [Errno 28] No space left on device; ")
    assert "room and permission" in remedy
    assert "NameError: name 'partly' is not defined; qcluster/report/fanout.py:" in bug and "please report" in ask


def test_a_reader_that_went_away_still_ends_the_run() -> None:
    def gone(event: Event) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    mishaps = Mishaps()
    with pytest.raises(Stopped):
        fan_out([gone], Mask(), mishaps)(PlayFinished(1.0, "p"))
    assert list(mishaps.lines()) == []


def run(folder: Path, *words: str, out: IO[str] | int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    (folder / "play.yml").write_text(PLAY)
    (folder / "hosts.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n")
    command = [sys.executable, "-m", "qcluster", *words]
    environ = {**os.environ, "NO_COLOR": "1"}
    nobody, piped = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.run(
        command, cwd=folder, stdout=out, stderr=piped, stdin=nobody, text=True, env=environ, check=False
    )


@pytest.mark.parametrize("form", ["ndjson", "json", "junit"])
def test_a_full_disk_below_the_output_does_not_end_a_run(tmp_path: Path, form: str) -> None:
    trace = tmp_path / "trace"
    with Path("/dev/full").open("w") as full:
        ran = run(tmp_path, "run", "play.yml", "-i", "hosts.yml", "-e", f"trace={trace}", "-o", form, out=full)
    assert ran.returncode == 0, ran.stderr
    assert trace.read_text() == "done"
    assert ran.stderr.count("this report is not whole (OSError: [Errno 28]") == 1 and "Traceback" not in ran.stderr


def test_a_summary_that_was_cut_off_is_a_run_like_others(tmp_path: Path) -> None:
    folder = tmp_path / ".qcluster" / "runs" / "20260101-000000-run"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"at": 17')
    listed = run(tmp_path, "runs")
    assert listed.returncode == 0 and "unfinished" in listed.stdout and "run.json cannot be read" in listed.stdout
    assert expectation(folder.parent, "run", "d") == Expected()


def test_no_place_for_the_journal_is_said_before_a_host_is_touched(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / ".qcluster").write_text("")
    ran = run(tmp_path, "run", "play.yml", "-i", "hosts.yml", "-e", f"trace={trace}")
    assert ran.returncode == 2 and "this run's journal belongs there; make room" in ran.stderr, ran.stderr
    assert not trace.exists() and "Traceback" not in ran.stderr
