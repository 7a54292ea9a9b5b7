"""Transports against a real OpenSSH server. Without one the tests are skipped, but never in CI."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sshd_servers import SshServer, find_sshd, make_key, me

from qcluster.transport.base import Transport
from qcluster.transport.fleet import Fleet
from qcluster.transport.settings import Settings

IN_CI = os.environ.get("CI", "").lower() == "true"


def missing(what: str) -> None:
    """Fail in CI, skip elsewhere."""
    if IN_CI:
        pytest.fail(f"{what} is missing: CI must not skip this")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def workplace() -> Iterator[Path]:
    """A folder that other users can enter."""
    if find_sshd() is None:
        missing("sshd")
    folder = Path(tempfile.mkdtemp(prefix="qc-contract-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def key(workplace: Path) -> Path:
    return make_key(workplace / "key")


@pytest.fixture(scope="session")
def start(workplace: Path, key: Path) -> Iterator[Callable[..., SshServer]]:
    """`start("name", *options)` starts a server that lives until the end."""
    servers: list[SshServer] = []

    def begin(name: str, *options: str) -> SshServer:
        folder = workplace / name
        folder.mkdir()
        servers.append(SshServer(folder, key, options=options).start())
        return servers[-1]

    yield begin
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server(start: Callable[..., SshServer]) -> SshServer:
    return start("main")


@pytest.fixture
def known(server: SshServer, tmp_path: Path) -> Path:
    """A known_hosts file that knows the server under each of its addresses."""
    file = tmp_path / "known_hosts"
    file.write_text(server.known_line(f"[127.0.3.*]:{server.port}"))
    return file


Variables = dict[str, Any]


@pytest.fixture
def variables(server: SshServer, known: Path, key: Path) -> Variables:
    """Connection variables that work, for the user who runs the tests."""
    return {
        "ansible_host": "127.0.3.1",
        "ansible_port": server.port,
        "ansible_user": me(),
        "ansible_private_key_file": str(key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known}",
    }


@pytest.fixture
def reach(variables: Variables) -> Iterator[Callable[..., Transport]]:
    """`reach(ansible_user="free", …)` is a transport to the server, closed at the end of the test."""
    fleets: list[Fleet] = []

    def connect(**changes: Any) -> Transport:
        wanted = {name: value for name, value in {**variables, **changes}.items() if value is not None}
        fleets.append(Fleet({"box": Settings.from_variables("box", wanted)}))
        return fleets[-1]["box"]

    yield connect
    for fleet in fleets:
        fleet.close()


@pytest.fixture(params=["ssh", "ssh-channel", "local"])
def transport(request: pytest.FixtureRequest, reach: Callable[..., Transport]) -> Transport:
    """Every way to run a command: the persistent shell, a channel of its own, this machine."""
    if request.param == "local":
        return Fleet({"box": Settings("box", connection="local")})["box"]
    found = reach()
    return Channels(found) if request.param == "ssh-channel" else found


class Channels:
    """A transport whose commands all stream, so that each gets a channel of its own."""

    def __init__(self, inner: Transport):
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def run(self, command: Any, on_output: Any = None) -> Any:
        return self._inner.run(command, on_output or (lambda stream, chunk: None))


@pytest.fixture
def as_root() -> None:
    """For what needs the server's own users."""
    if os.geteuid() != 0:
        missing("root")
