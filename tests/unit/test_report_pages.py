"""The reference pages are those of the tables in the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcluster.inventory.settings import GROUP_MEANINGS, GROUPS
from qcluster.playbook.language import CALLS, IMPORTS, INCLUDES
from qcluster.report.pages import grid, pages
from qcluster.serving.models import KEYS, MEANINGS

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name], "run: python -m qcluster.report.pages docs/reference"


def test_a_cell_cannot_break_its_table() -> None:
    assert grid(("a",), [("x | y\nz",)]) == "| a |\n| --- |\n| x \\| y z |\n"


def test_the_language_names_all_that_brings_tasks_from_elsewhere() -> None:
    assert set(CALLS) == {"import_playbook", *IMPORTS, *INCLUDES}


def test_the_inventory_reference_has_the_variables_of_every_role_that_has_some() -> None:
    text = PAGES["inventory.md"]
    for role in ("engine", "health", "network", "preflight", "proxy", "source", "weights"):
        assert f"\n### {role}\n" in text
    for name in ("source_repository", "engine_path", "health_timeout", "network_budget"):
        assert f"| `{name}` |" in text


def test_the_inventory_reference_has_every_group_and_every_key_of_a_model() -> None:
    assert set(GROUP_MEANINGS) == set(GROUPS) and set(MEANINGS) == set(KEYS)
    for name in (*GROUPS, *KEYS):
        assert f"\n| `{name}` | " in PAGES["inventory.md"]
