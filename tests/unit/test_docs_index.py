"""The index of `docs/architecture.md`: a newcomer who looks for a behaviour by its words is led to the right file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = [
    (words, tuple(re.findall(r"`([^`]+)`", where)))
    for words, where in re.findall(r"^\| (.+?) \| (`.+`) \|$", PAGE, re.MULTILINE)
]


def searched(words: str) -> list[str]:
    """Each word of the row's phrases."""
    return [word for phrase in words.lower().split(", ") for word in phrase.strip("`").split()]


@pytest.mark.parametrize(("words", "files"), ROWS, ids=[words for words, _ in ROWS])
def test_each_word_stands_in_a_file_of_its_row(words: str, files: tuple[str, ...]) -> None:
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in files).lower()
    assert [word for word in searched(words) if word not in text] == []


def test_every_folder_is_in_the_index() -> None:
    named = {part for _, files in ROWS for name in files for part in Path(name).parts[:2]}
    folders = {path.parent.name for path in (ROOT / "qcluster").glob("*/__init__.py")} - {"recipes"}
    assert sorted(folders - named) == []


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:qcluster|playbooks|roles|docs|tests)/[\w./-]+)`", PAGE))
    assert len(named) > 100
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_sources_are_within_a_readers_reach() -> None:
    """An upstream file, an issue's number, a page of docs/: not the notes of those who wrote it."""
    told = ("facts §", "field notes", "CONTRACTS", "DESIGN,", "DESIGN decision")
    files = [path for folder in ("qcluster", "docs", "roles", "playbooks") for path in (ROOT / folder).rglob("*.*")]
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in files
        if path.suffix in (".py", ".md", ".yaml", ".yml", ".j2")
    }
    assert len(texts) > 300
    assert [str(path) for path, text in texts.items() if any(word in text for word in told)] == []
