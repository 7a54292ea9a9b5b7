"""The reference pages are those of the tables in the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcluster.report.pages import grid, pages

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name], "run: python -m qcluster.report.pages docs/reference"


def test_a_cell_cannot_break_its_table() -> None:
    assert grid(("a",), [("x | y\nz",)]) == "| a |\n| --- |\n| x \\| y z |\n"
