"""The lock of a download: real processes and a real folder."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import until

from qcluster.facts.onhost import program

HOUR = 3600
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
BODY = """
pause=0.05
lock=$1 diary=$2 stay=$3
waiting() { :; }
meanwhile() { :; }
trap 'release' EXIT
trap 'echo "ended $$" >>"$diary"; exit 143' TERM
hold
keep &
keeper=$!
echo "in $$" >>"$diary"
if [ "$stay" = stay ]; then
  while :; do sleep 0.1; done
fi
sleep "$stay"
echo "out $$" >>"$diary"
kill "$keeper"
"""


class Holders:
    """Starts holders of one lock; they are gone when the test ends."""

    def __init__(self, folder: Path):
        self.lock, self.diary = folder / "model.lock", folder / "diary"
        self.diary.touch()
        self.started: list[subprocess.Popen[str]] = []

    def start(self, stay: str) -> subprocess.Popen[str]:
        words = ["sh", "-s", "--", str(self.lock), str(self.diary), stay]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)
        assert process.stdin
        process.stdin.write(program("lock.sh") + BODY)
        process.stdin.close()
        self.started.append(process)
        return process

    def said(self) -> list[str]:
        return self.diary.read_text().splitlines()

    def age(self, seconds: float) -> None:
        """Make the lock look as if nobody had touched it for so long."""
        then = time.time() - seconds
        os.utime(self.lock, (then, then))

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout
            process.stdout.close()


@pytest.fixture
def holders(tmp_path: Path) -> Iterator[Holders]:
    made = Holders(tmp_path)
    yield made
    made.end()


def killed(holders: Holders) -> None:
    """A holder on another host, whose folder this is too, that was killed while it held the lock."""
    dead = holders.start("stay")
    until(lambda: len(holders.said()) == 1)
    os.killpg(dead.pid, signal.SIGKILL)
    dead.wait()
    owner = holders.lock / "owner"
    owner.write_text(owner.read_text().replace(BOOT, "another-boot"))
    holders.diary.write_text("")


def turns(lines: list[str]) -> bool:
    """Whether each went out before the next came in."""
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    return all(one == f"in {one.split()[1]}" and two == f"out {one.split()[1]}" for one, two in pairs)


def test_one_at_a_time(holders: Holders) -> None:
    for _ in range(4):
        holders.start("0.1")
    for process in holders.started:
        assert process.wait(30) == 0
    assert len(holders.said()) == 8 and turns(holders.said())
    assert [path.name for path in holders.lock.parent.iterdir()] == ["diary"]


def test_a_lock_of_the_dead_goes_to_one_of_those_who_wait(holders: Holders) -> None:
    killed(holders)
    for _ in range(4):
        holders.start("0.1")
    until(lambda: all(process.poll() is None for process in holders.started[1:]))
    holders.age(HOUR)
    for process in holders.started[1:]:
        assert process.wait(30) == 0
    assert len(holders.said()) == 8 and turns(holders.said())
    assert [path.name for path in holders.lock.parent.iterdir()] == ["diary"]


def test_a_lock_of_a_process_of_this_host_that_is_gone_is_free_at_once(holders: Holders) -> None:
    dead = holders.start("stay")
    until(lambda: len(holders.said()) == 1)
    os.killpg(dead.pid, signal.SIGKILL)
    late = holders.start("0")
    assert late.wait(30) == 0
    assert late.stdout and "taking over" in late.stdout.read()


def test_a_lock_is_not_taken_before_its_time(holders: Holders) -> None:
    killed(holders)
    holders.age(100)
    waiting = holders.start("0")
    assert waiting.stdout
    assert "waiting" in waiting.stdout.readline()
    assert holders.said() == []
    holders.age(130)
    assert "taking over" in waiting.stdout.readline()
    assert waiting.wait(30) == 0


def test_who_lives_keeps_its_lock_however_old_it_looked(holders: Holders) -> None:
    holders.start("stay")
    until(lambda: len(holders.said()) == 1)
    holders.age(HOUR)
    until(lambda: time.time() - holders.lock.stat().st_mtime < HOUR / 2)
    late = holders.start("0")
    assert late.stdout and "waiting" in late.stdout.readline()
    assert len(holders.said()) == 1


def test_who_lost_its_lock_ends_and_leaves_the_new_one_alone(holders: Holders) -> None:
    holder = holders.start("stay")
    until(lambda: len(holders.said()) == 1)
    owner = holders.lock / "owner"
    owner.write_text("other:1:x\n")
    assert holder.wait(30) == 143
    assert owner.read_text() == "other:1:x\n"


def test_where_no_lock_can_be_made_it_says_so(holders: Holders) -> None:
    holders.lock.write_text("a file")
    refused = holders.start("0")
    assert refused.stdout and "no lock can be made" in refused.stdout.read()
    assert refused.wait(30) == 73
