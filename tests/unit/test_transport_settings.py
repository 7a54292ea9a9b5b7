"""Ansible's connection variables, read once and whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qcluster.command import Become
from qcluster.errors import InputError
from qcluster.inventory.connection import CONNECTION
from qcluster.secret import Secret
from qcluster.transport.settings import Alive, HostKeys, Settings
from qcluster.transport.ssh_args import SshArgs, read_args
from qcluster.transport.target import resolve


def read(**variables: Any) -> Settings:
    return Settings.from_variables("h1", variables)


def test_nothing_said_leaves_it_to_ssh_config() -> None:
    assert read() == Settings("h1", address="h1")


def test_everything_said() -> None:
    found = read(
        ansible_host="10.0.0.1", ansible_user="op", ansible_port="2222", ansible_ssh_private_key_file="/k",
        ansible_password="pw", ansible_private_key_passphrase=Secret("pp"), ansible_timeout=5,
        ansible_ssh_common_args="-J gw -o UserKnownHostsFile=/a -o StrictHostKeyChecking=accept-new",
        ansible_become="yes", ansible_become_user="app", ansible_become_password="bp",
    )  # fmt: skip
    assert found == Settings(
        "h1", "10.0.0.1", user="op", port=2222, identity_files=(Path("/k"),), password=Secret("pw"),
        passphrase=Secret("pp"), host_keys=HostKeys.ACCEPT_NEW, known_hosts=(Path("/a"),), jump="gw",
        connect_timeout=5, become=Become("app", Secret("bp")), become_password=Secret("bp"),
    )  # fmt: skip
    assert "pw" not in repr(found)


@pytest.mark.parametrize(
    ("variables", "name", "value"),
    [
        ({"ansible_ssh_host": "x"}, "address", "x"),
        ({"ansible_ssh_pass": "p"}, "password", Secret("p")),
        ({"ansible_become_pass": "p"}, "become_password", Secret("p")),
        ({"ansible_connection": "local"}, "connection", "local"),
        ({"ansible_connection": "ansible.builtin.ssh"}, "connection", "ssh"),
        ({"ansible_connection": "paramiko"}, "connection", "ssh"),
        ({"ansible_host_key_checking": False}, "host_keys", HostKeys.ACCEPT_NEW),
        ({"ansible_host_key_checking": True}, "host_keys", HostKeys.STRICT),
        ({"ansible_become": False}, "become", None),
        ({"ansible_port": 22}, "port", 22),
        ({"ansible_ssh_extra_args": "-p 23"}, "port", 23),
        ({"ansible_ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s -p 24"}, "port", 24),
        ({"ansible_ssh_common_args": "-o ControlPath=/tmp/%r@%h:%p -o Port=25"}, "port", 25),
    ],
)
def test_other_names_for_the_same(variables: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(read(**variables), name) == value


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(InputError) as caught:
        read(
            ansible_port="ssh", ansible_connection="winrm", ansible_become_method="doas", ansible_become="maybe",
            ansible_host=["x"], ansible_ssh_common_args="-o ForwardAgent=yes -o Port=x -v",
        )  # fmt: skip
    text = str(caught.value)
    for part in (
        "ansible_port: 'ssh' is not a whole number", "'winrm' is not supported", "'doas' is not supported",
        "'maybe' is not yes or no", "ansible_host: is a list", "'ForwardAgent' is not supported",
        "Port 'x' is not a whole number", "'-v' is not supported",
    ):  # fmt: skip
        assert part in text
    assert all("h1: ansible_" in problem.path for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", SshArgs()),
        ("-o ProxyJump=a,b", SshArgs(jump="a,b")),
        ("-oProxyJump=a", SshArgs(jump="a")),
        ("-o 'ProxyJump a'", SshArgs(jump="a")),
        ("-o proxyjump=a -J b", SshArgs(jump="a")),
        ("-Ja", SshArgs(jump="a")),
        ("-o UserKnownHostsFile='/a /b'", SshArgs(known_hosts=(Path("/a"), Path("/b")))),
        ("-o StrictHostKeyChecking=no", SshArgs(host_keys="no")),
        ("-o ConnectTimeout=3 -p 5", SshArgs(connect_timeout=3, port=5)),
        ("-o ServerAliveInterval=0 -o ServerAliveInterval=9", SshArgs(alive_interval=0)),
        ("-o ServerAliveInterval=5 -o ServerAliveCountMax=2", SshArgs(alive_interval=5, alive_count=2)),
        ("-i /a -o IdentityFile=/b", SshArgs(identity_files=(Path("/a"), Path("/b")))),
    ],
)
def test_ssh_arguments(text: str, expected: SshArgs) -> None:
    assert read_args(text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-o", "'' is not supported"),
        ("-J", "'proxyjump' has no value"),
        ("-o StrictHostKeyChecking=perhaps", "StrictHostKeyChecking 'perhaps' is none of"),
        ("-o ProxyCommand='nc %h'", "'ProxyCommand' is not supported: use -o ProxyJump"),
        ("-F /x", "'-F' is not supported"),
        ("'open", "cannot be split into words"),
    ],
)
def test_wrong_ssh_arguments(text: str, problem: str) -> None:
    assert problem in read_args(text)[1][0]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh_config that says nothing, and an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config").write_text("")
    return tmp_path / "config"


def _target(empty: Path, **variables: Any) -> Any:
    return resolve(Settings.from_variables("h1", variables, ssh_config=empty))


def test_who_is_silent_is_asked_as_often_as_the_arguments_then_ssh_config_say(empty: Path) -> None:
    assert _target(empty, ansible_user="op").alive == Alive(10, 3)
    empty.write_text("Host *\n  ServerAliveInterval 20\n  ServerAliveCountMax 5\n")
    assert _target(empty).alive == Alive(20, 5)
    args = "-o ServerAliveInterval=0"
    assert _target(empty, ansible_ssh_common_args=args).alive == Alive(0, 5)
    assert not _target(empty, ansible_ssh_common_args=args).alive.asks


def test_defaults_are_those_of_openssh(empty: Path) -> None:
    target = _target(empty, ansible_user="op")
    assert (target.address, target.port, target.host_keys, target.connect_timeout) == ("h1", 22, HostKeys.STRICT, 10)
    assert target.known_hosts[0] == empty.parent / ".ssh/known_hosts"


def test_gateways_in_order(empty: Path) -> None:
    args = "-J a@one:2201,ssh://two,[::1]:2203"
    hops = _target(empty, ansible_ssh_common_args=args, ansible_password="p").jump
    assert (hops[0].user, hops[0].address, hops[0].port) == ("a", "one", 2201)
    assert [(hop.address, hop.port) for hop in hops][1:] == [("two", 22), ("::1", 2203)]
    assert all(hop.password is None for hop in hops)


def test_gateways_in_a_circle_are_an_error(empty: Path) -> None:
    empty.write_text("Host *\n  ProxyJump other\n")
    with pytest.raises(InputError, match="circle"):
        _target(empty)


def test_a_proxy_command_is_a_named_error(empty: Path) -> None:
    empty.write_text("Host *\n  ProxyCommand nc %h %p\n")
    with pytest.raises(InputError, match="ProxyCommand is not supported"):
        _target(empty)


def test_a_broken_ssh_config_is_a_named_error(empty: Path) -> None:
    empty.write_text("Host *\n  Port 22\n  NoSuchWord 1\n")
    with pytest.raises(InputError, match=r"(?i)nosuchword"):
        _target(empty)


def test_without_an_ssh_client_the_file_is_read(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.write_text("Host h?\n  HostName 10.1.1.1\n  Port 77\n  IdentityFile /k\n")
    monkeypatch.setenv("PATH", "/nowhere")
    target = _target(empty)
    assert (target.address, target.port, target.identity_files) == ("10.1.1.1", 77, (Path("/k"),))


class Asked(dict[str, Any]):
    """Variables that remember which names were asked for."""

    def __init__(self, **variables: Any):
        super().__init__(variables)
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return super().get(key, default)


def test_the_reference_has_every_variable_that_is_read_and_no_other() -> None:
    asked = Asked(ansible_become=True)
    Settings.from_variables("h1", asked)
    assert asked.names == {name for one in CONNECTION for name in (one.name, *one.aliases)}


@pytest.mark.parametrize(
    ("name", "same", "other"),
    [
        ("ansible_shell_executable", "/bin/sh", "/bin/bash"),
        ("ansible_shell_type", "sh", "powershell"),
        ("ansible_become_exe", "sudo", "/opt/sudo"),
        ("ansible_ssh_executable", "ssh", "/opt/ssh"),
        ("ansible_ssh_private_key", None, "KEY"),
        ("ansible_ssh_pkcs11_provider", None, "/lib/p11.so"),
    ],
)
def test_what_would_be_missed_is_refused(name: str, same: str | None, other: str) -> None:
    with pytest.raises(InputError, match=f"h1: {name}: is not supported"):
        read(**{name: other})
    assert read(**({name: same} if same else {})) == read()
