"""What runs on a host arrives there as it was meant, and what it says comes back as it was said."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qcluster.command import Command, sh
from qcluster.result import Outcome
from qcluster.transport.base import Transport

ODD = (
    "a b", "", "-n", "--", "$HOME", "`id`", "it's", '"', "two\nlines", "汉字", "*", "~", "back\\slash", "tab\there",
    "!x", "a;b", "a&b", "|", "trailing\n", "#no comment", "{a,b}", "\r", "'", "\x01\x7f", "$(id)",
)  # fmt: skip


def test_arguments_arrive_intact(transport: Transport) -> None:
    outcome = transport.run(Command(("sh", "-c", 'for a; do printf "%s\\0" "$a"; done', "sh", *ODD)))
    assert outcome.out.split("\0")[:-1] == list(ODD)


def test_arguments_of_a_program_arrive_intact(transport: Transport) -> None:
    outcome = transport.run(Command(("printf", "%s\\0", *ODD)))
    assert outcome.out.split("\0")[:-1] == list(ODD)


def test_arguments_of_a_script_arrive_intact(transport: Transport) -> None:
    outcome = transport.run(sh('for a; do printf "%s\\0" "$a"; done', *ODD))
    assert outcome.out.split("\0")[:-1] == list(ODD)


@pytest.mark.parametrize("timeout", [None, 20.0])
def test_exit_code_and_streams_are_kept_apart(transport: Transport, timeout: float | None) -> None:
    outcome = transport.run(sh("printf out; printf err >&2; exit 7", timeout=timeout))
    assert (outcome.exit, outcome.stdout, outcome.stderr, outcome.signal) == (7, b"out", b"err", "")


@pytest.mark.parametrize("code", [0, 1, 3, 124, 126, 200, 255])
def test_every_exit_code(transport: Transport, code: int) -> None:
    assert transport.run(Command(("sh", "-c", f"exit {code}"))).exit == code


def test_a_missing_program_is_an_outcome(transport: Transport) -> None:
    outcome = transport.run(Command(("no-such-program-x",)))
    assert outcome.exit == 127
    assert "no-such-program-x" in outcome.err


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV"])
def test_a_killing_signal_is_named(transport: Transport, name: str) -> None:
    outcome = transport.run(Command(("sh", "-c", f"echo before; kill -{name} $$")))
    assert not outcome.ok
    assert (outcome.signal, outcome.out) == (name, "before\n")
    assert outcome.err == ""


def test_environment_and_directory(transport: Transport, tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    command = Command(("sh", "-c", 'pwd; printf %s "$A"'), env={"A": "x y'z\n汉"}, cwd=str(folder))
    assert transport.run(command).out == f"{folder}\nx y'z\n汉"
    assert transport.run(sh("pwd").with_(cwd=str(folder))).out == f"{folder}\n"


def test_a_missing_directory_fails(transport: Transport) -> None:
    assert not transport.run(sh("echo here").with_(cwd="/no/such/place")).ok


def test_messages_are_in_one_language(transport: Transport) -> None:
    assert transport.run(sh('printf %s "$LC_ALL"')).out == "C"


def test_commands_do_not_see_one_another(transport: Transport) -> None:
    transport.run(sh("cd /; x=1; export Y=2; umask 0; set -f; exec 1>&2; exit 4"))
    outcome = transport.run(sh('printf "%s.%s.%s" "${x-}" "${Y-}" "$(umask)"; echo /et[c]'))
    assert outcome.exit == 0
    assert outcome.out.startswith("..")
    assert outcome.out.endswith("/etc\n")
    assert not outcome.out.startswith("..0000/")


MB5 = 5_000_000


def test_five_megabytes_on_both_streams_at_once(transport: Transport) -> None:
    script = f"head -c {MB5} /dev/zero | tr '\\0' a >&2 & head -c {MB5} /dev/zero | tr '\\0' b; wait"
    outcome = transport.run(sh(script))
    assert outcome.stdout == b"b" * MB5
    assert outcome.stderr == b"a" * MB5


def test_five_megabytes_through_the_same_shell(transport: Transport) -> None:
    outcome = transport.run(sh(f"head -c {MB5} /dev/urandom; head -c {MB5} /dev/zero >&2"))
    assert (len(outcome.stdout), len(outcome.stderr)) == (MB5, MB5)
    assert transport.run(sh("echo after")).out == "after\n"


def _random(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"line\n", b"no newline", b"\0nul\0", "汉字\n".encode(), _random(1000), _random(1000) + b"\n",
     b"\\ $x `y` '\n", b"\n\n", b"END\nEOF\n", _random(MB5), b"a line of text\n" * 100_000],
    ids=lambda data: f"{len(data)}-bytes",
)  # fmt: skip
def test_stdin_is_delivered_and_closed(transport: Transport, data: bytes) -> None:
    assert transport.run(Command(("cat",), stdin=data)).stdout == data
    assert transport.run(Command(("cat",), stdin=data, timeout=60)).stdout == data


def test_stdin_that_nobody_reads(transport: Transport) -> None:
    assert transport.run(Command(("true",), stdin=b"x" * MB5)).exit == 0


def test_every_byte_survives_a_script(transport: Transport) -> None:
    text = "".join(map(chr, range(1, 0x250))).replace("'", "").replace("\r", "")
    assert transport.run(sh(f"printf %s '{text}'")).out == text


def test_a_script_of_megabytes(transport: Transport) -> None:
    assert transport.run(sh("# a comment of some length\n" * 100_000 + 'echo "$1"', "done")).out == "done\n"


def test_output_that_looks_like_an_end_is_only_output(transport: Transport) -> None:
    text = "qc-end-0123456789abcdef-0.\nqc-begin-0123456789abcdef.\n"
    assert transport.run(sh('printf %s "$1"; printf %s "$1" >&2', text)).out == text


def _sleepers(seconds: str) -> list[str]:
    found = subprocess.run(["pgrep", "-f", f"sleep {seconds}"], capture_output=True, text=True).stdout.split()
    return [pid for pid in found if "sleep" in Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]]


def _gone(seconds: str) -> bool:
    for _ in range(100):
        if not _sleepers(seconds):
            return True
        time.sleep(0.05)
    return False


def test_a_timeout_leaves_no_process(transport: Transport) -> None:
    outcome = transport.run(sh("echo begun; sleep 4321.5 & sleep 4321.5; echo never", timeout=0.5))
    assert outcome.timed_out
    assert outcome.out == "begun\n"
    assert _gone("4321.5")


def test_a_timeout_ends_what_ignores_term(transport: Transport) -> None:
    outcome = transport.run(sh("trap '' TERM; sleep 4321.6; sleep 4321.6", timeout=0.3))
    assert outcome.timed_out
    assert _gone("4321.6")


def test_output_is_passed_on_as_it_comes(transport: Transport, tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []
    go = tmp_path / "go"

    def heard(stream: str, chunk: bytes) -> None:
        seen.append((stream, chunk))
        go.touch()

    outcome = transport.run(
        sh('echo first; while [ ! -e "$1" ]; do sleep 0.02; done; echo second >&2', str(go), timeout=30), heard
    )
    assert (outcome.exit, outcome.out, outcome.err) == (0, "first\n", "second\n")
    assert [stream for stream, _ in seen] == ["stdout", "stderr"]


def test_many_threads_on_one_host(transport: Transport) -> None:
    found: dict[int, list[Outcome]] = {}

    def work(number: int) -> None:
        found[number] = [transport.run(sh('echo "$1"; echo "$1" >&2; exit "$1"', str(number))) for _ in range(10)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(24):
        assert {(o.exit, o.out, o.err) for o in found[number]} == {(number, f"{number}\n", f"{number}\n")}


def test_what_is_left_running_does_not_hold_the_command(transport: Transport) -> None:
    outcome = transport.run(sh("sleep 77.25 & echo $!"))
    pid = outcome.out.strip()
    try:
        assert transport.run(sh("echo next")).out == "next\n"
        assert _sleepers("77.25") == [pid]
    finally:
        subprocess.run(["kill", pid], check=True)


@pytest.mark.parametrize("target", ["$PPID", "$$"])
def test_a_command_that_kills_its_shell(reach: Callable[..., Transport], target: str) -> None:
    transport = reach()
    transport.run(sh("true"))
    outcome = transport.run(sh(f"echo before; kill -9 {target}; sleep 1"))
    assert not outcome.ok
    assert outcome.signal
    assert transport.run(sh("echo alive")).out == "alive\n"
