"""Which inventory a command works on, when nobody names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcluster.errors import InputError
from qcluster.inventory.choose import candidates, find, recall, remember


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "inventories").mkdir()
    for name in ("inventories/a.yaml", "inventories/b.yml", "inventories/README.md", "c.yaml", "d.yaml", "e.yaml"):
        (tmp_path / name).write_text("all: {}\n", encoding="utf-8")
    return tmp_path


def test_the_order_is_argument_option_environment_memory_only_one(home: Path) -> None:
    environ = {"QCLUSTER_INVENTORY": "e.yaml"}
    assert find("c.yaml", "d.yaml", environ, home) == Path("c.yaml")
    assert find(None, "d.yaml", environ, home) == Path("d.yaml")
    assert find(None, None, environ, home) == Path("e.yaml")
    remember(home / "d.yaml", home)
    assert find(None, None, {}, home) == Path("d.yaml")
    (home / ".qcluster" / "inventory").unlink()
    (home / "inventories" / "b.yml").unlink()
    assert find(None, None, {}, home) == Path("inventories/a.yaml")


def test_one_from_elsewhere_is_remembered_in_full(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "x.yaml"
    other.write_text("all: {}\n", encoding="utf-8")
    remember(other, home)
    assert find(None, None, {}, home) == other


def test_several_candidates_are_listed(home: Path) -> None:
    with pytest.raises(InputError, match=r"inventories/a\.yaml\n  inventories/b\.yml"):
        find(None, None, {}, home)
    assert [path.name for path in candidates(home)] == ["a.yaml", "b.yml"]


def test_none_at_all_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="qcluster init"):
        find(None, None, {}, tmp_path)


def test_a_named_one_that_is_not_there_says_who_named_it(home: Path) -> None:
    with pytest.raises(InputError, match=r"x\.yaml: there is no such inventory$"):
        find("x.yaml", None, {}, home)
    with pytest.raises(InputError, match=r"from \$QCLUSTER_INVENTORY"):
        find(None, None, {"QCLUSTER_INVENTORY": "x.yaml"}, home)


def test_a_remembered_one_that_is_gone_is_forgotten(home: Path) -> None:
    remember(home / "d.yaml", home)
    (home / "d.yaml").unlink()
    assert recall(home) is None


def test_a_directory_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / ".qcluster").write_text("a file in the way", encoding="utf-8")
    remember(tmp_path / "x.yaml", tmp_path)
    assert recall(tmp_path) is None
