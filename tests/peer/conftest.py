"""One pair of machines for all playbooks."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from peer_machines import Machines, start


@pytest.fixture(scope="session")
def machines() -> Iterator[Machines]:
    # A short path: OpenSSH's control sockets allow about 100 characters.
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        started = start(Path(folder), Path(__file__).parent / "pages")
        try:
            yield started
        finally:
            started.close()
