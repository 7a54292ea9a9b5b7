"""Jobs of `async` tasks, with the real sh of this machine: detached, found again, ended in time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qcluster.command import Command, sh
from qcluster.errors import UnreadableOutput
from qcluster.facts import async_jobs
from qcluster.facts.async_jobs import AsyncState
from qcluster.result import Outcome
from qcluster.transport.local import LocalTransport


@pytest.fixture
def host() -> LocalTransport:
    return LocalTransport("h")


def until(question: Callable[[], AsyncState], state: str) -> AsyncState:
    """Ask until the job is in this state; ten seconds at most."""
    for _ in range(200):
        found = question()
        if found.state == state:
            return found
        time.sleep(0.05)
    return found


def begin(host: LocalTransport, folder: Path, *commands: Command, limit: int = 60) -> Callable[[], AsyncState]:
    outcome = host.run(async_jobs.start(str(folder), limit, commands, {"cmd": "said"}))
    assert (outcome.exit, outcome.out) == (0, str(folder))
    return lambda: async_jobs.parse(host.run(async_jobs.status(str(folder))))


def test_a_job_runs_on_without_its_connection(host: LocalTransport, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    ask = begin(host, tmp_path / "job", sh('read -r word <"$1"; echo "$word"; echo err >&2; exit 7', str(gate)))
    assert ask() == AsyncState("running", -1, {"cmd": "said"})
    gate.write_text("go\n")
    assert until(ask, "finished") == AsyncState("finished", 7, {"cmd": "said"}, b"go\n", b"err\n")


def test_it_has_a_session_of_its_own(host: LocalTransport, tmp_path: Path) -> None:
    ask = begin(host, tmp_path / "job", sh("cut -d' ' -f6 /proc/self/stat"))
    session = int(until(ask, "finished").stdout)
    assert session != os.getsid(0) and session == int((tmp_path / "job/pid").read_text())


def test_commands_follow_one_another_up_to_the_first_that_fails(host: LocalTransport, tmp_path: Path) -> None:
    commands = (
        Command(("echo", "one")),
        Command(("cat",), stdin=b"two 'quoted' \xe6\xb1\x89\n"),
        Command(("false",)),
        Command(("echo", "never")),
    )
    state = until(begin(host, tmp_path / "job", *commands), "finished")
    assert (state.exit, state.stdout.decode()) == (1, "one\ntwo 'quoted' 汉\n")


def test_the_host_ends_it_in_time(host: LocalTransport, tmp_path: Path) -> None:
    state = until(begin(host, tmp_path / "job", Command(("sleep", "60")), limit=1), "finished")
    assert state.exit == 124


def test_what_is_gone_is_told(host: LocalTransport, tmp_path: Path) -> None:
    ask = begin(host, tmp_path / "job", Command(("true",)))
    until(ask, "finished")
    assert host.run(async_jobs.cleanup(str(tmp_path / "job"))).ok
    assert ask() == AsyncState("missing")


def test_its_folder_is_for_the_owner_only(host: LocalTransport, tmp_path: Path) -> None:
    until(begin(host, tmp_path / "a" / "job", Command(("true",))), "finished")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/job")] == [0o700, 0o700]


@pytest.mark.parametrize("answer", [b"", b"what\n", b"finished 0 2 3 0\n{}ou", b"finished x 0 0 0\n\nend\n"])
def test_an_answer_that_is_cut_off_is_unknown(answer: bytes) -> None:
    with pytest.raises(UnreadableOutput):
        async_jobs.parse(Outcome(Command(("sh",)), 0, answer))
