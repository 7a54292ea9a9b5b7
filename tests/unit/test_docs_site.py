"""The documentation builds as a site, strictly: a link that leads nowhere or a page outside the menu fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qcluster.report.pages import entry_pages

REPOSITORY = Path(__file__).parents[2]


SECTIONS = ("1", "2", "3.1", "3.2", "4.1", "4.2", "5.1", "5.2", "6", "7", "8", "9.1", "9.2", "10")
"""Of the tutorial, those that have text of their own."""


def test_every_section_of_the_tutorial_has_its_command() -> None:
    rows = (REPOSITORY / "docs" / "seed.md").read_text(encoding="utf-8").splitlines()
    told = [row.split()[1] for row in rows if row.startswith("| ") and row.split()[1][0].isdigit()]
    assert tuple(dict.fromkeys(told)) == SECTIONS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_rule_finding_and_catalogue_entry_has_its_page(site: Path) -> None:
    pages = [site / "reference" / path.removesuffix(".md") / "index.html" for path in entry_pages()]
    assert len(pages) > 150
    assert [page for page in pages if not page.is_file()] == []


def test_the_page_of_all_rules_leads_to_each(site: Path) -> None:
    page = (site / "reference" / "rules" / "index.html").read_text(encoding="utf-8")
    assert '<a href="QC101/">QC101</a>' in page


def test_nothing_on_the_site_is_fetched_from_elsewhere(site: Path) -> None:
    """Many who read this have no internet on their machine."""
    page = (site / "index.html").read_text(encoding="utf-8")
    assert "fonts.googleapis.com" not in page
    assert 'src="https://' not in page
