"""Every command of the README is run as it stands; its hosts are lab hosts."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from workplace import REPOSITORY, Workplace

PAGES = ("README.md", "README.zh.md", "docs/index.md")
_BLOCK = re.compile(r"(<!-- test: lab -->\n)?```sh\n(.*?)```", re.DOTALL)


def commands(page: str) -> list[str]:
    """The command lines of a page's `sh` blocks, without comments."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    lines = [line for block in _BLOCK.finditer(text) for line in block[2].splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def place(shared_place: Workplace) -> Iterator[Workplace]:
    """A checkout as a stranger has it, but for hosts that are simulated and few NPUs, so that a start is quick."""
    folder = shared_place.folder
    for kind in ("inventories", "playbooks", "roles"):
        shutil.copytree(REPOSITORY / kind, folder / kind)
    for path in (folder / "inventories").glob("*1p1d.yaml"):
        text = path.read_text(encoding="utf-8").replace("ansible_user: root", "ansible_connection: lab")
        path.write_text(text.replace("dp: 8", "dp: 2\n    npus: 4"), encoding="utf-8")
    yield shared_place
    for path in (folder / "inventories").glob("*1p1d.yaml"):
        shared_place.run("down", path, "--yes")
        shared_place.run("lab", "stop", path)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work_in_the_order_given(place: Workplace, page: str) -> None:
    mine = [shlex.split(line)[1:] for line in commands(page) if line.startswith("qcluster ")]
    assert mine
    for words in mine:
        ran = place.run(*words, *(["--yes"] if words[0] in ("up", "down") and "--yes" not in words else []))
        assert ran.exit == 0, f"qcluster {' '.join(words)}\n{ran.text}"


def test_every_make_target_that_a_page_names_exists() -> None:
    named = {line.split()[1] for page in PAGES for line in commands(page) if line.startswith("make ")}
    assert "demo" in named
    for target in named:
        subprocess.run(["make", "-n", target], cwd=REPOSITORY, check=True, capture_output=True)


def test_no_command_of_the_readme_goes_untested() -> None:
    known = ("qcluster ", "make ", "python3 -m venv ", "cp -r inventories ")
    assert [line for page in PAGES for line in commands(page) if not line.startswith(known)] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_inside_the_project_lead_somewhere(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
    broken = [target for target in targets if not (REPOSITORY / page).parent.joinpath(target).exists()]
    assert broken == []


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_demo_target_is_the_main_job() -> None:
    shown = subprocess.run(["make", "-n", "demo"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for verb in ("up", "status", "down"):
        assert f"qcluster {verb} inventories/lab-1p1d.yaml" in shown
    assert Path(REPOSITORY / "inventories/lab-1p1d.yaml").exists()
