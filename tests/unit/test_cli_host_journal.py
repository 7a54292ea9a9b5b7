"""The journal on the hosts: one line a command, in the deployment's folder, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

from qcluster.cli import host_journal
from qcluster.events import CommandRan
from qcluster.transport.local import LocalTransport

RAN = [CommandRan(0.0, "p1", "docker ps", 0, 0.031), CommandRan(61.0, "p1", "sh -c 'a\nb'", 3, 1.5)]


def written(folder: Path, times: int = 1) -> None:
    for _ in range(times):
        host_journal.write({"p1": LocalTransport("p1")}, {"p1": str(folder)}, "up", {"p1": RAN, "elsewhere": RAN})


def test_each_command_is_a_line_on_its_host(tmp_path: Path) -> None:
    written(tmp_path, times=2)
    lines = (tmp_path / "journal").read_text().splitlines()
    assert len(lines) == 4
    assert re.fullmatch(r"1970-01-01T00:00:00Z \S+@\S+ up exit=0 0\.03s docker ps", lines[0])
    assert lines[1].endswith(r"up exit=3 1.50s sh -c 'a\nb'")
    assert (tmp_path / "journal").stat().st_mode & 0o077 == 0


def test_no_folder_is_made_for_it(tmp_path: Path) -> None:
    written(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_a_long_journal_is_turned_over(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"x" * 4_000_000)
    written(tmp_path)
    assert (tmp_path / "journal.1").stat().st_size == 4_000_000
    assert len((tmp_path / "journal").read_text().splitlines()) == 2
