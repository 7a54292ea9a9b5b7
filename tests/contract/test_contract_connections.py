"""How a host is reached, and what is said when it cannot be."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sshd_servers import PASSWORD, SshServer, free_port, make_key, me

from qcluster.command import Command, sh
from qcluster.errors import (
    AuthenticationFailed,
    ConnectionDropped,
    ConnectionRefused,
    ConnectTimeout,
    HostKeyChanged,
    HostKeyUnknown,
    NameResolutionError,
    UnreachableError,
)
from qcluster.secret import Secret
from qcluster.transport.base import Transport
from qcluster.transport.fleet import Fleet
from qcluster.transport.local import LocalTransport
from qcluster.transport.settings import Settings

Reach = Callable[..., Transport]
HELLO = Command(("echo", "hello"))


def says_hello(transport: Transport) -> bool:
    return transport.run(HELLO).out == "hello\n"


def test_an_unknown_host_key_is_refused_with_the_command_that_trusts_it(reach: Reach, tmp_path: Path) -> None:
    file, args = tmp_path / "empty", f"-o UserKnownHostsFile={tmp_path}/empty"
    with pytest.raises(HostKeyUnknown) as caught:
        reach(ansible_ssh_common_args=args).run(HELLO)
    assert "SHA256:" in caught.value.what
    command = caught.value.hint.split("with: ")[1]
    assert command.startswith("ssh-keyscan -p ")
    subprocess.run(["sh", "-c", command], check=True, stderr=subprocess.DEVNULL)
    assert file.exists()
    assert says_hello(reach(ansible_ssh_common_args=args))


def test_a_new_key_is_accepted_only_on_request_and_kept(reach: Reach, tmp_path: Path, server: SshServer) -> None:
    file = tmp_path / "sub/known"
    args = f"-o UserKnownHostsFile={file} -o StrictHostKeyChecking=accept-new"
    assert says_hello(reach(ansible_ssh_common_args=args))
    assert file.read_text() == server.known_line(f"[127.0.3.1]:{server.port}")
    assert says_hello(reach(ansible_ssh_common_args=f"-o UserKnownHostsFile={file}"))


@pytest.mark.parametrize("checking", ["yes", "accept-new", "no"])
def test_a_changed_host_key_is_never_accepted(reach: Reach, tmp_path: Path, server: SshServer, checking: str) -> None:
    other = Path(f"{make_key(tmp_path / 'other')}.pub").read_text().split()
    file = tmp_path / "known"
    file.write_text(f"[127.0.3.1]:{server.port} {other[0]} {other[1]}\n")
    args = f"-o UserKnownHostsFile={file} -o StrictHostKeyChecking={checking}"
    with pytest.raises(HostKeyChanged) as caught:
        reach(ansible_ssh_common_args=args).run(HELLO)
    assert f"ssh-keygen -f {file} -R" in caught.value.hint


def test_a_revoked_host_key_is_refused(reach: Reach, known: Path) -> None:
    known.write_text("@revoked " + known.read_text())
    with pytest.raises(HostKeyChanged, match="revoked"):
        reach().run(HELLO)


def test_hashed_names_are_known(reach: Reach, tmp_path: Path, server: SshServer) -> None:
    file = tmp_path / "known"
    file.write_text(server.known_line(f"[127.0.3.1]:{server.port}"))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert file.read_text().startswith("|1|")
    assert says_hello(reach(ansible_ssh_common_args=f"-o UserKnownHostsFile={file}"))


def test_a_wrong_key_is_refused_once(reach: Reach, tmp_path: Path, server: SshServer) -> None:
    before = _connections(server)
    with pytest.raises(AuthenticationFailed) as caught:
        reach(ansible_private_key_file=str(make_key(tmp_path / "wrong"))).run(HELLO)
    assert f"key {tmp_path}/wrong" in caught.value.what
    assert "ssh-copy-id" in caught.value.hint
    assert _connections(server) == before + 1


def _connections(server: SshServer) -> int:
    return server.log.read_text(errors="replace").count("Connection from ")


def test_a_missing_key_file_is_named(reach: Reach, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationFailed, match="No such file"):
        reach(ansible_private_key_file=str(tmp_path / "nothing")).run(HELLO)


def test_a_refused_connection(reach: Reach) -> None:
    with pytest.raises(ConnectionRefused):
        reach(ansible_port=free_port()).run(HELLO)


def test_a_name_without_address(reach: Reach) -> None:
    with pytest.raises(NameResolutionError):
        reach(ansible_host="no-such-host.invalid").run(HELLO)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port whose queue of connections is full, so that another gets no answer."""
    listener, port = socket.socket(), free_port()
    listener.bind(("127.0.0.1", port))
    listener.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
    yield port
    for sock in (*fillers, listener):
        sock.close()


def test_a_host_that_does_not_answer(reach: Reach, silent: int, known: Path) -> None:
    args = f"-o UserKnownHostsFile={known} -o ConnectTimeout=1"
    with pytest.raises(ConnectTimeout, match="within 1 s"):
        reach(ansible_host="127.0.0.1", ansible_port=silent, ansible_ssh_common_args=args).run(HELLO)


def test_something_that_is_not_ssh(reach: Reach) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            peer, _ = listener.accept()
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
            peer.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(UnreachableError, match=r"no SSH|closed the connection"):
            reach(ansible_host="127.0.0.1", ansible_port=port).run(HELLO)


def test_a_user_without_a_shell(reach: Reach, as_root: None) -> None:
    with pytest.raises(UnreachableError, match="not available"):
        reach(ansible_user="closed").run(HELLO)


ANCESTOR = """
p=$$
until case $(cat "/proc/$p/comm") in sshd*) true ;; *) false ;; esac; do
  p=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$p/status")
done
echo "$p"
"""


def _session_of(transport: Transport) -> int:
    """The process id of the sshd that carries the transport's session."""
    return int(transport.run(sh(ANCESTOR, timeout=10)).out)


def test_a_connection_lost_in_the_middle_of_a_command(transport: Transport, tmp_path: Path) -> None:
    if isinstance(transport, LocalTransport):
        return  # there is no connection to lose
    pid, ran = _session_of(transport), tmp_path / "ran"
    threading.Thread(target=_kill_once, args=(ran, pid), daemon=True).start()
    with pytest.raises(ConnectionDropped, match="may have taken effect"):
        transport.run(sh('echo x >> "$1"; sleep 5', str(ran)))
    assert says_hello(transport)
    assert ran.read_text() == "x\n"


def _kill_once(ran: Path, pid: int) -> None:
    while not ran.exists():
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)


def _asking(known: Path, count: int) -> str:
    return f"-o UserKnownHostsFile={known} -o ServerAliveInterval=1 -o ServerAliveCountMax={count}"


def test_a_host_that_hangs_while_its_kernel_still_answers_is_given_up(
    reach: Reach, known: Path, tmp_path: Path
) -> None:
    transport = reach(ansible_ssh_common_args=_asking(known, 1))
    pid, ran = _session_of(transport), [tmp_path / "in the shell", tmp_path / "in a channel"]
    told: list[Any] = [None, lambda stream, chunk: None]
    with ThreadPoolExecutor(2) as pool:
        running = [
            pool.submit(transport.run, sh('echo x >"$1"; sleep 60', str(file), timeout=10), listener)
            for file, listener in zip(ran, told, strict=True)
        ]
        while not all(file.exists() for file in ran):
            time.sleep(0.02)
        os.kill(pid, signal.SIGSTOP)
        errors = [one.exception() for one in running]
    os.kill(pid, signal.SIGKILL)
    assert [type(error) for error in errors] == [ConnectionDropped, ConnectionDropped]
    assert all("no sign of life for 2 s" in str(error) for error in errors), errors
    assert says_hello(transport)


def test_a_command_may_be_silent_for_long_on_a_host_that_lives(reach: Reach, known: Path) -> None:
    transport = reach(ansible_ssh_common_args=_asking(known, 2))
    pid = _session_of(transport)
    assert transport.run(sh("sleep 4; echo done")).out == "done\n"
    assert _session_of(transport) == pid, "the connection was cut"


def test_a_connection_lost_between_commands_is_opened_again(reach: Reach) -> None:
    transport = reach()
    pid = _session_of(transport)
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    assert says_hello(transport)
    assert _session_of(transport) != pid


def test_a_restart_of_the_server_is_waited_for(start: Callable[..., SshServer], reach: Reach) -> None:
    server = start("restarted")
    args = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=accept-new"
    transport = reach(ansible_port=server.port, ansible_ssh_common_args=args)
    assert says_hello(transport)
    server.stop()
    time.sleep(0.2)
    threading.Timer(0.8, server.start).start()
    assert says_hello(transport)


def test_a_busy_server_is_asked_again(start: Callable[..., SshServer], reach: Reach) -> None:
    server = start("busy", "MaxStartups 1")
    args = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=accept-new"
    with socket.create_connection(("127.0.3.1", server.port)) as held:
        held.recv(1)  # an unauthenticated connection fills the server
        threading.Timer(0.5, held.close).start()
        assert says_hello(reach(ansible_port=server.port, ansible_ssh_common_args=args))


def test_more_commands_at_once_than_the_server_allows(start: Callable[..., SshServer], reach: Reach) -> None:
    server = start("narrow", "MaxSessions 2")
    args = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=accept-new"
    transport = reach(ansible_port=server.port, ansible_ssh_common_args=args)
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda n: transport.run(sh('sleep 0.3; echo "$1"', str(n))), range(6)))
    assert [outcome.out for outcome in outcomes] == [f"{n}\n" for n in range(6)]


def test_the_login_files_are_read_once(reach: Reach, server: SshServer, as_root: None) -> None:
    transport = reach(ansible_user="talker")
    outcomes = [transport.run(sh("echo $1", str(number))) for number in range(5)]
    assert [(o.out, o.err) for o in outcomes] == [(f"{number}\n", "") for number in range(5)]
    assert (server.folder / "home/talker/rc-count").read_text() == "read\n"


def test_login_chatter_is_not_output(reach: Reach, as_root: None) -> None:
    seen: list[bytes] = []
    outcome = reach(ansible_user="talker").run(HELLO, lambda stream, chunk: seen.append(chunk))
    assert (outcome.out, outcome.err, b"".join(seen)) == ("hello\n", "", b"hello\n")


def test_sixteen_hosts_through_one_gateway(
    start: Callable[..., SshServer], server: SshServer, key: Path, known: Path
) -> None:
    gateway = start("gateway", "MaxSessions 0")
    with known.open("a") as file:
        file.write(gateway.known_line(f"[127.0.3.100]:{gateway.port}"))
    args = f"-o UserKnownHostsFile={known} -J {me()}@127.0.3.100:{gateway.port}"
    settings = {}
    for number in range(1, 17):
        variables = {
            "ansible_host": f"127.0.3.{number}", "ansible_port": server.port, "ansible_user": me(),
            "ansible_private_key_file": str(key), "ansible_ssh_common_args": args,
        }  # fmt: skip
        settings[f"h{number}"] = Settings.from_variables(f"h{number}", variables)
    fleet, script = Fleet(settings), sh("echo ${SSH_CONNECTION#* * }")
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda name: fleet[name].run(script), fleet))
    fleet.close()
    assert [o.out for o in outcomes] == [f"127.0.3.{number} {server.port}\n" for number in range(1, 17)]
    assert gateway.logins() == 1


def test_a_gateway_that_cannot_reach_the_host(start: Callable[..., SshServer], reach: Reach, known: Path) -> None:
    gateway = start("dead-end")
    with known.open("a") as file:
        file.write(gateway.known_line(f"[127.0.3.100]:{gateway.port}"))
    args = f"-o UserKnownHostsFile={known} -o ProxyJump={me()}@127.0.3.100:{gateway.port}"
    with pytest.raises(UnreachableError, match=r"the gateway 127\.0\.3\.100 cannot reach 127\.0\.3\.1:"):
        reach(ansible_port=free_port(), ansible_ssh_common_args=args).run(HELLO)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder for the controller's user."""
    (tmp_path / "home/.ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path / "home"


def _by_config(home: Path, text: str, name: str = "box", **variables: Any) -> Fleet:
    config = home / ".ssh/config"
    config.write_text(text)
    return Fleet({name: Settings.from_variables(name, variables, ssh_config=config)})


def test_ssh_config_is_honoured(home: Path, server: SshServer, key: Path) -> None:
    file = home / "known"
    file.write_text(server.known_line("the-alias"))
    (home / ".ssh/more").write_text(f"IdentityFile {key}\n")
    text = f"""
Host box
    HostName 127.0.3.9
    HostKeyAlias the-alias
Host b?x !other
    Port {server.port}
    UserKnownHostsFile {file}
Match host 127.0.3.9
    User {me()}
    ConnectTimeout 7
Match all
    StrictHostKeyChecking yes
    Include {home}/.ssh/more
"""
    fleet = _by_config(home, text)
    assert fleet["box"].run(sh("echo ${SSH_CONNECTION#* * }")).out == f"127.0.3.9 {server.port}\n"
    fleet.close()


def test_tokens_of_ssh_config_are_resolved(
    start: Callable[..., SshServer], home: Path, server: SshServer, key: Path
) -> None:
    gateway = start("token-gateway")
    (home / "known").write_text(server.known_line("the-alias") + gateway.known_line(f"[127.0.3.60]:{gateway.port}"))
    named = home / f".ssh/box-127.0.3.9-{server.port}-{me()}-the-alias-%"
    for file in (named, home / ".ssh/hop"):
        file.write_bytes(key.read_bytes())
        file.chmod(0o600)
    text = f"""
Host box
    HostName 127.0.3.9
    Port {server.port}
    HostKeyAlias the-alias
    IdentityFile %d/.ssh/%n-%h-%p-%r-%k-%%
    ProxyJump %r@127.0.3.60:{gateway.port}
Host 127.0.3.60
    IdentityFile ~/.ssh/hop
Host *
    User {me()}
    UserKnownHostsFile {home}/known
"""
    fleet = _by_config(home, text)
    assert says_hello(fleet["box"]) and gateway.logins() == 1
    fleet.close()


def test_the_inventory_wins_over_ssh_config(home: Path, server: SshServer, key: Path, known: Path) -> None:
    text = f"Host *\n  User nobody\n  Port 1\n  UserKnownHostsFile /dev/null\n  IdentityFile {home}/none\n"
    fleet = _by_config(
        home, text, ansible_host="127.0.3.1", ansible_port=server.port, ansible_user=me(),
        ansible_private_key_file=str(key), ansible_ssh_common_args=f"-o UserKnownHostsFile={known}",
    )  # fmt: skip
    assert says_hello(fleet["box"])
    fleet.close()


def test_ssh_config_accepts_new_keys_and_jumps(
    start: Callable[..., SshServer], home: Path, server: SshServer, key: Path
) -> None:
    gateway = start("config-gateway", "MaxSessions 0")
    text = f"""
Host box
    HostName 127.0.3.4
    Port {server.port}
    ProxyJump hop
Host hop
    HostName 127.0.3.50
    Port {gateway.port}
Host *
    User {me()}
    IdentityFile {key}
    UserKnownHostsFile {home}/known
    StrictHostKeyChecking accept-new
"""
    fleet = _by_config(home, text)
    assert says_hello(fleet["box"])
    fleet.close()
    assert gateway.logins() == 1
    assert len((home / "known").read_text().splitlines()) == 2


def test_a_key_in_the_agent(home: Path, reach: Reach, key: Path, tmp_path: Path) -> None:
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not (tmp_path / "agent").exists():
            time.sleep(0.02)
        environ = {**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "agent")}
        subprocess.run(["ssh-add", "-q", str(key)], env=environ, check=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
            assert says_hello(reach(ansible_private_key_file=None))
    finally:
        agent.terminate()
        agent.wait()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_an_encrypted_key(reach: Reach, server: SshServer, tmp_path: Path, kind: str) -> None:
    file = make_key(tmp_path / "locked", kind, "öffne dich")
    with (server.folder / "authorized_keys").open("a") as authorized:
        authorized.write(Path(f"{file}.pub").read_text())
    assert says_hello(reach(ansible_private_key_file=str(file), ansible_private_key_passphrase=Secret("öffne dich")))
    with pytest.raises(AuthenticationFailed, match="the passphrase does not open it"):
        reach(ansible_private_key_file=str(file), ansible_private_key_passphrase="falsch").run(HELLO)
    with pytest.raises(AuthenticationFailed, match="is encrypted: use ssh-add"):
        reach(ansible_private_key_file=str(file)).run(HELLO)


def test_a_password(home: Path, reach: Reach, as_root: None) -> None:
    transport = reach(ansible_user="plain", ansible_private_key_file=None, ansible_password=Secret(PASSWORD))
    assert transport.run(Command(("id", "-un"))).out == "plain\n"


def test_a_wrong_password(home: Path, reach: Reach, as_root: None) -> None:
    with pytest.raises(AuthenticationFailed, match="none of: password") as caught:
        reach(ansible_user="plain", ansible_private_key_file=None, ansible_password="verkehrt").run(HELLO)
    assert "verkehrt" not in str(caught.value)


def test_nothing_to_offer(home: Path, reach: Reach, as_root: None) -> None:
    with pytest.raises(AuthenticationFailed, match="there is no key to offer"):
        reach(ansible_user="plain", ansible_private_key_file=None).run(HELLO)


def test_closing_leaves_no_session(server: SshServer, variables: dict[str, Any]) -> None:
    before = set(threading.enumerate())  # earlier tests' threads may still be ending
    fleet = Fleet({"box": Settings.from_variables("box", variables)})
    pid = _session_of(fleet["box"])
    fleet.close()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    mine = set(threading.enumerate()) - before
    assert not [thread for thread in mine if re.search("Wire", type(thread).__name__)]
