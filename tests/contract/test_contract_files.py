"""Files go over whole or not at all; streams and the journal see what happened."""

from __future__ import annotations

import http.client
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sshd_servers import free_port

from qcluster.command import Command, Put, sh
from qcluster.events import CommandRan
from qcluster.transport.base import Transport
from qcluster.transport.fleet import Fleet
from qcluster.transport.settings import Settings

BIG = bytes(range(256)) * 8000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with nothing in it."""
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.mark.parametrize("data", [b"", b"text\n", "汉字".encode(), b"\0\xff", BIG], ids=len)
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755, 0o4711])
def test_put_and_get(transport: Transport, folder: Path, data: bytes, mode: int) -> None:
    target = folder / "a file 'x'"
    assert transport.put(Put(str(target), data, mode)).ok
    assert target.read_bytes() == data
    assert stat.S_IMODE(target.stat().st_mode) == mode
    assert transport.get(str(target)) == data
    assert list(folder.iterdir()) == [target]


def test_put_replaces_the_file_in_one_step(transport: Transport, folder: Path) -> None:
    target = folder / "f"
    target.write_bytes(b"old")
    with target.open("rb") as before:
        assert transport.put(Put(str(target), b"new")).ok
        assert before.read() == b"old"
    assert target.read_bytes() == b"new"


def test_put_follows_links(transport: Transport, folder: Path) -> None:
    (folder / "sub").mkdir()
    real, first, second = folder / "sub/real", folder / "sub/first", folder / "second"
    real.write_bytes(b"old")
    first.symlink_to("real")
    second.symlink_to(first)
    assert transport.put(Put(str(second), b"new")).ok
    assert (real.read_bytes(), second.is_symlink(), first.is_symlink()) == (b"new", True, True)


def test_a_put_that_fails_leaves_nothing(transport: Transport, folder: Path) -> None:
    outcome = transport.put(Put(f"{folder}/none/f", b"x"))
    assert not outcome.ok
    assert "none" in outcome.err
    assert list(folder.iterdir()) == []


def test_put_with_an_owner_that_is_not_there(transport: Transport, folder: Path) -> None:
    target = folder / "f"
    target.write_bytes(b"old")
    assert not transport.put(Put(str(target), b"new", owner="no-such-user")).ok
    assert target.read_bytes() == b"old"
    assert list(folder.iterdir()) == [target]


def test_put_gives_and_keeps_owners(reach: Callable[..., Transport], folder: Path, as_root: None) -> None:
    target, transport = folder / "f", reach()
    assert transport.put(Put(str(target), b"1", owner="daemon", group="adm")).ok
    owner = (target.stat().st_uid, target.stat().st_gid)
    assert owner != (0, 0)
    assert transport.put(Put(str(target), b"2")).ok
    assert (target.stat().st_uid, target.stat().st_gid) == owner


def test_get_says_why_not(transport: Transport, folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        transport.get(f"{folder}/nothing")
    with pytest.raises(IsADirectoryError):
        transport.get(str(folder))


def test_get_what_is_not_allowed(reach: Callable[..., Transport], as_root: None) -> None:
    with pytest.raises(PermissionError, match="shadow"):
        reach(ansible_user="plain").get("/etc/shadow")


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.path.encode() * 100_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        return None


@pytest.fixture
def web() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hello)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_open_tcp_carries_http(transport: Transport, web: int) -> None:
    for path in ("/a", "/b"):
        with transport.open_tcp("127.0.0.1", web, 5) as sock:
            connection = http.client.HTTPConnection("host")
            connection.sock = sock
            connection.request("GET", path)
            assert connection.getresponse().read() == path.encode() * 100_000


def test_open_tcp_where_nothing_listens(transport: Transport) -> None:
    with pytest.raises(ConnectionError):
        transport.open_tcp("127.0.0.1", free_port(), 5)


def test_open_tcp_that_gets_no_answer_times_out(transport: Transport) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        transport.open_tcp("127.0.0.1", listener.getsockname()[1], 0.3) as sock,
        pytest.raises(TimeoutError),
    ):
        sock.recv(1)


def test_the_journal_hears_of_every_command(variables: dict[str, Any], folder: Path) -> None:
    heard: list[CommandRan] = []
    fleet = Fleet({"box": Settings.from_variables("box", variables)}, heard.append)
    box = fleet["box"]
    box.run(sh("exit 3"))
    box.run(Command(("echo", "geheim"), secret=True))
    box.put(Put(f"{folder}/f", b"x"))
    box.get(f"{folder}/f")
    fleet.close()
    assert [(event.host, event.line, event.exit) for event in heard] == [
        ("box", "sh -s --", 3),
        ("box", "(secret)", 0),
        ("box", f"put {folder}/f", 0),
        ("box", f"get {folder}/f", 0),
    ]
    assert all(event.elapsed > 0 for event in heard)


def test_a_fleet_dials_nobody_before_use(variables: dict[str, Any]) -> None:
    wrong = {**variables, "ansible_port": free_port()}
    fleet = Fleet({"box": Settings.from_variables("box", wrong)})
    assert fleet["box"] is fleet["box"]
    assert (list(fleet), len(fleet), fleet["box"].host) == (["box"], 1, "box")
    fleet.close()


def test_uid_is_mine(transport: Transport) -> None:
    assert transport.run(Command(("id", "-u"))).out == f"{os.getuid()}\n"
