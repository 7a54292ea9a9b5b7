"""The hosts of these tests, and the deployment on them: brought up once, brought back where a test broke it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from parts import ready
from two_hosts import Hosts, SshServer, make_key

CACHE = Path("~/.cache/qcluster-judge").expanduser()


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    parts = ready(CACHE)
    with tempfile.TemporaryDirectory(prefix="qcv-", dir="/var/tmp") as name:
        folder = Path(name)
        (folder / "sshd").mkdir()
        server = SshServer(folder / "sshd", make_key(folder / "id_ed25519")).start()
        made = Hosts(folder, server, parts)
        made.write_inventory()
        try:
            yield made
        finally:
            made.end()
            server.stop()


@pytest.fixture
def served(hosts: Hosts) -> Hosts:
    """The deployment, proven."""
    done = hosts.up()
    assert done.exit == 0, done.text
    return hosts
