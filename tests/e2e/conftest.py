"""A workplace for each test, or one for a whole file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from workplace import Workplace, stop_labs


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """A workplace for one test."""
    workplace = Workplace(tmp_path)
    yield workplace
    stop_labs(workplace)


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A workplace that the tests of one file share, in the order written."""
    workplace = Workplace(tmp_path_factory.mktemp("place"))
    yield workplace
    stop_labs(workplace)
    shutil.rmtree(workplace.folder, ignore_errors=True)
