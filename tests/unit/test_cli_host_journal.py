"""The journal on the hosts: one line a command, in the deployment's folder, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from waiting import until

from qcluster.cli import host_journal
from qcluster.cli.host_journal import HostJournal
from qcluster.command import Command
from qcluster.errors import UnreachableError
from qcluster.events import CommandRan
from qcluster.result import Outcome
from qcluster.transport.base import OnOutput
from qcluster.transport.local import LocalTransport

RAN = [CommandRan(0.0, "p1", "docker ps", 0, 0.031), CommandRan(61.0, "p1", "sh -c 'a\nb'", 3, 1.5)]


class Counted(LocalTransport):
    """How often it was asked."""

    runs = 0

    def __init__(self, inner: LocalTransport):
        super().__init__(inner.host)

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        self.runs += 1
        return super().run(command, on_output)


class Lost(LocalTransport):
    """A host that was cut off."""

    runs = 0

    def __init__(self) -> None:
        super().__init__("p1")

    def run(self, command: Command, on_output: OnOutput | None = None) -> Outcome:
        self.runs += 1
        raise UnreachableError("p1", "gone")


def written(folder: Path, times: int = 1) -> None:
    for _ in range(times):
        with HostJournal({"p1": LocalTransport("p1")}, {"p1": str(folder)}, "up") as journal:
            for ran in (*RAN, CommandRan(0.0, "elsewhere", "true", 0, 0.1)):
                journal(ran)


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


def test_a_run_is_written_down_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever kills it with -9 does not kill what it has done."""
    monkeypatch.setattr(host_journal, "EVERY", 0.01)
    with HostJournal({"p1": LocalTransport("p1")}, {"p1": str(tmp_path)}, "up") as journal:
        journal(RAN[0])
        until(lambda: (tmp_path / "journal").exists() and (tmp_path / "journal").read_text().count("\n") == 1)


def test_what_came_before_the_folder_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_journal, "EVERY", 0.01)
    counted = Counted(LocalTransport("p1"))
    with HostJournal({"p1": counted}, {"p1": str(tmp_path / "later")}, "up") as journal:
        journal(RAN[0])
        until(lambda: counted.runs > 1)
        (tmp_path / "later").mkdir()
        journal(RAN[1])
    assert [line.split("s ", 1)[1] for line in (tmp_path / "later/journal").read_text().splitlines()] == [
        "docker ps",
        r"sh -c 'a\nb'",
    ]


def test_a_host_that_is_lost_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_journal, "EVERY", 0.01)
    lost = Lost()
    with HostJournal({"p1": lost}, {"p1": "/"}, "up") as journal:
        journal(RAN[0])
        until(lambda: lost.runs == 1)
        journal(RAN[1])
    assert lost.runs == 1
