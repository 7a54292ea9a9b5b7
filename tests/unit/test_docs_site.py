"""The documentation builds as a site, strictly: a link that leads nowhere or a page outside the menu fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from browser import visited

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
    pages = [site / "reference" / path.replace(".md", ".html") for path in entry_pages()]
    assert len(pages) > 150
    assert [page for page in pages if not page.is_file()] == []


def test_the_page_of_all_rules_leads_to_each(site: Path) -> None:
    page = (site / "reference" / "rules.html").read_text(encoding="utf-8")
    assert '<a href="rules/QC101.html">QC101</a>' in page


def test_nothing_on_the_site_is_fetched_from_elsewhere(site: Path) -> None:
    """Many who read this have no internet on their machine."""
    page = (site / "index.html").read_text(encoding="utf-8")
    assert "fonts.googleapis.com" not in page
    assert 'src="https://' not in page


def test_every_link_of_the_site_leads_to_a_file(site: Path) -> None:
    """Opened from disk nobody makes `index.html` of a folder."""
    linked = [
        (page, re.split("[?#]", target)[0])
        for page in site.rglob("*.html")
        if page.name != "404.html"  # its links are those of a server's root
        for target in re.findall(r'<a [^>]*?href="([^"]+)"', page.read_text(encoding="utf-8"))
        if not target.startswith(("#", "http", "mailto:"))
    ]
    assert len(linked) > 5000
    assert [(page, target) for page, target in linked if not (page.parent / target).is_file()] == []


@pytest.mark.browser
def test_in_chromium_the_search_finds_a_rule_on_a_site_opened_from_disk(site: Path, tmp_path: Path) -> None:
    seen = visited(f"{(site / 'index.html').as_uri()}?q=QC304", tmp_path, "--virtual-time-budget=8000")
    found = re.findall(r'<a href="([^"]+)" class="md-search-result__link"', seen.dom)
    assert (site / "reference/rules/QC304.html").as_uri() in [address.split("?")[0] for address in found]
    assert seen.console == []
