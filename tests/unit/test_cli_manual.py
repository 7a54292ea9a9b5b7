"""The man page and the page of commands are those of the commands."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from qcluster.cli.manual import RUN_OPTIONS, entries, pages
from qcluster.cli.table import COMMANDS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name], "run: python -m qcluster.cli.manual docs"


def test_every_command_has_its_entry() -> None:
    assert {entry.path.split()[1] for entry in entries()} == set(COMMANDS)


def test_the_options_of_a_run_are_told_once() -> None:
    up = next(entry for entry in entries() if entry.path == "qcluster up")
    assert up.runs
    assert not set(up.options) & set(RUN_OPTIONS)


def test_troff_reads_the_man_page_without_a_warning() -> None:
    program = shutil.which("groff")
    assert program, "groff is needed: apt-get install groff-base"
    command = [program, "-man", "-ww", "-k", "-Tutf8", "-P-cbu", str(DOCS / "man" / "qcluster.1")]
    read = subprocess.run(command, capture_output=True, text=True, check=True)
    assert read.stderr == ""
    assert "--vault-password-file" in read.stdout
