"""The text that goes to a host, and the table that stands in for one."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from qcluster.command import Become, Command, Put, sh
from qcluster.errors import ConnectionRefused
from qcluster.result import Outcome
from qcluster.transport.known_hosts import key_name, known_keys
from qcluster.transport.script import inline, login_line, put_command, reading, signal_of
from qcluster.transport.scripted import ScriptedTransport
from qcluster.transport.target import Target


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (sh("sleep 1 &"), "may leave a process"),
        (Command(("sh", "-c", "daemon & echo $!")), "may leave a process"),
        (Command(("cat",), stdin=b"no newline"), "a here-document ends with one"),
        (Command(("cat",), stdin=b"nul\0\n"), "a shell drops it"),
        (Command(("cat",), stdin=b"\xff\n"), "is not text"),
        (Command(("cat",), stdin=b"x\n" * 40_000), "is large"),
        (sh("x" * 60_000), "is large"),
    ],
)
def test_what_needs_a_channel_of_its_own(command: Command, why: str) -> None:
    assert inline(command) is None, why


@pytest.mark.parametrize(
    "command",
    [
        Command(("true",)), sh("a && b"), sh("a 2>&1"), sh("a >&2 && b &&\nc"), Command(("echo", "\\&")),
        sh("true", timeout=3), Command(("cat",), stdin=b"text\n"),
    ],
)  # fmt: skip
def test_what_goes_through_the_shell(command: Command) -> None:
    assert inline(command) is not None


def _run(text: str) -> str:
    script = f"exec 3>&2 2>/dev/null\n{text}\nprintf '|%d' $?\n"
    return subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (sh('echo "$1"; exit 3', "a b"), "a b\n|3"),
        (sh("if"), "|2"),
        (sh("set -e; false; echo no"), "|1"),
        (sh("pwd").with_(cwd="/usr"), "/usr\n|0"),
        (sh("pwd").with_(cwd="/no such place"), "|2"),
        (Command(("sh", "-c", 'cat; echo "$1$2"', "name", "x", "y"), stdin=b"in\n"), "in\nxy\n|0"),
        (Command(("printenv", "A"), env={"A": "b c"}), "b c\n|0"),
        (sh("exit 5", timeout=9), "|5"),
    ],
)
def test_the_shell_understands_it(command: Command, said: str) -> None:
    text = inline(command)
    assert text is not None
    assert _run(text) == said


def test_a_script_that_asks_who_it_is_gets_a_process_of_its_own() -> None:
    assert "eval" in (inline(sh("echo 1")) or "")
    for script in ("echo $$", "echo ${PPID}", "echo $0", "kill -9 5"):
        assert "eval" not in (inline(sh(script)) or "")


def test_sudo_asks_only_where_there_is_a_password() -> None:
    from qcluster.secret import Secret

    plain = shlex.split(login_line("echo hi", Become(), "PROMPT:"))
    assert plain == ["exec", "sudo", "-H", "-S", "-n", "-u", "root", "--", "sh", "-c", "echo hi"]
    asked = shlex.split(login_line("echo hi", Become("app", Secret("x"), "-H -S -n"), "PROMPT:"))
    assert asked == ["exec", "sudo", "-H", "-S", "-p", "PROMPT:", "-u", "app", "--", "sh", "-c", "echo hi"]


def test_a_put_writes_beside_its_target() -> None:
    first, second = (put_command(Put("/etc/x.conf", b"", owner="a", group="b")) for _ in range(2))
    assert first.argv[4] == "/etc/x.conf"
    assert first.argv[5].startswith("/etc/.x.conf.")
    assert first.argv[5] != second.argv[5]
    assert first.argv[6:] == ("0644", "a:b")


def test_signals_behind_exit_codes() -> None:
    command = Command(("x",))
    assert [signal_of(command, code) for code in (0, 128, 137, 143, 255)] == ["", "", "KILL", "TERM", ""]
    assert signal_of(command.with_(timeout=3), 137) == ""


@pytest.mark.parametrize(("code", "kind"), [(3, FileNotFoundError), (4, PermissionError), (5, IsADirectoryError)])
def test_a_failed_get_is_an_error_of_its_kind(code: int, kind: type[OSError]) -> None:
    with pytest.raises(kind, match="/x"):
        reading("/x", Outcome(Command(("get",)), code))


KNOWN = """
# a comment
plain,10.0.0.1 ssh-ed25519 AAA
[plain]:2222 ssh-ed25519 BBB
*.example.com,!bad.example.com ssh-rsa CCC
@revoked plain ssh-rsa DDD
@cert-authority * ssh-rsa EEE
broken line
"""


@pytest.mark.parametrize(
    ("address", "port", "alias", "found"),
    [
        ("plain", 22, "", ["AAA", "DDD"]),
        ("10.0.0.1", 22, "", ["AAA"]),
        ("PLAIN", 22, "", ["AAA", "DDD"]),
        ("plain", 2222, "", ["BBB"]),
        ("plain", 99, "", ["AAA", "DDD"]),
        ("a.example.com", 22, "", ["CCC"]),
        ("bad.example.com", 22, "", []),
        ("other", 22, "plain", ["AAA", "DDD"]),
        ("other", 22, "", []),
    ],
)
def test_known_hosts(tmp_path: Path, address: str, port: int, alias: str, found: list[str]) -> None:
    file = tmp_path / "known"
    file.write_text(KNOWN)
    target = Target("h", address, port, "u", known_hosts=(file,), system_known_hosts=(), host_key_alias=alias)
    assert [key.base64 for key in known_keys(target)] == found
    assert [key.base64 for key in known_keys(target) if key.revoked] == [key for key in found if key == "DDD"]


def test_key_names() -> None:
    assert key_name(Target("h", "a", 22, "u")) == "a"
    assert key_name(Target("h", "a", 23, "u")) == "[a]:23"
    assert key_name(Target("h", "a", 23, "u", host_key_alias="b")) == "b"


def test_a_scripted_host_answers_from_its_table() -> None:
    refused = ConnectionRefused("h", "no")
    host = ScriptedTransport(
        "h", {"uname": "Linux\n", "false": 1, "gone": refused, "echo script": lambda c: Outcome(c, 0, c.stdin)}
    )
    heard: list[tuple[str, bytes]] = []
    assert host.run(Command(("uname", "-s")), lambda stream, chunk: heard.append((stream, chunk))).out == "Linux\n"
    assert heard == [("stdout", b"Linux\n")]
    assert host.run(Command(("false",))).exit == 1
    assert host.run(sh("echo script")).stdout == b"echo script"
    with pytest.raises(ConnectionRefused):
        host.run(Command(("gone",)))
    with pytest.raises(KeyError, match="no answer"):
        host.run(Command(("what",)))
    assert [command.argv[0] for command in host.ran] == ["uname", "false", "sh", "gone", "what"]


def test_a_scripted_host_keeps_files() -> None:
    host = ScriptedTransport("h", default=0)
    assert host.put(Put("/f", b"x")).ok
    assert host.get("/f") == b"x"
    with pytest.raises(FileNotFoundError):
        host.get("/g")
    with pytest.raises(ConnectionRefusedError):
        host.open_tcp("127.0.0.1", 1, 1)
