"""Every command of the README and the documentation is run as it stands; its hosts are lab hosts.

Inline code that names a command is parsed: the command and each of its options must exist.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from workplace import REPOSITORY, Workplace

from qcluster.cli import cli
from qcluster.serving.lint.check import RULES

DOCUMENTS = tuple(
    str(path.relative_to(REPOSITORY))
    for folder in (".", "docs", "docs/decisions", "benchmarks")
    for path in sorted((REPOSITORY / folder).glob("*.md"))
)
ELSEWHERE = {
    "python3 -m venv .venv && .venv/bin/pip install .": "tests/e2e/test_installed.py installs it",
    "cp -r inventories my-inventories": "a copy",
    "python benchmarks/run.py": "measures for minutes; the next test parses its options",
}
"""Commands that this module does not run, and why."""
_BLOCK = re.compile(r"(<!-- test: lab -->\n)?```sh\n(.*?)```", re.DOTALL)
_ANY = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`qcluster ([^`]+)`")


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    """The command lines of a page's `sh` blocks, without comments."""
    lines = [line for block in _BLOCK.finditer(text_of(page)) for line in block[2].splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


WITH_COMMANDS = tuple(
    page
    for page in DOCUMENTS
    if page != "README.zh.md" and any(line.startswith("qcluster ") for line in commands(page))
)


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


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_of_a_page_work_in_the_order_given(place: Workplace, page: str) -> None:
    mine = [shlex.split(line)[1:] for line in commands(page) if line.startswith("qcluster ")]
    assert mine
    for words in mine:
        ran = place.run(*words, *(["--yes"] if words[0] in ("up", "down", "scale") and "--yes" not in words else []))
        assert ran.exit == 0, f"qcluster {' '.join(words)}\n{ran.text}"


def test_both_readmes_have_the_same_commands_files_and_numbers() -> None:
    """So that those of README.md, which are run, stand for both."""
    english, chinese = text_of("README.md"), text_of("README.zh.md")
    assert commands("README.zh.md") == commands("README.md")
    assert [len(_ANY.findall(text)) for text in (english, chinese)] == [len(_ANY.findall(english))] * 2
    for what in (r"^#+ ", r"^\| (\d+)", r"\]\((?!README)([^)]+)\)", r"\b\d{2,}\b"):
        found = [re.findall(what, text, re.MULTILINE) for text in (english, chinese)]
        assert sorted(found[0]) == sorted(found[1]), what


def test_every_make_target_that_a_page_names_exists() -> None:
    lines = [line for page in DOCUMENTS for line in commands(page)]
    named = {line.split()[1] for line in lines if line.startswith("make ")}
    assert "demo" in named
    for target in named:
        subprocess.run(["make", "-n", target], cwd=REPOSITORY, check=True, capture_output=True)


def test_no_command_of_a_page_goes_untested() -> None:
    known = ("qcluster ", "make ", *ELSEWHERE)
    assert [line for page in DOCUMENTS for line in commands(page) if not line.startswith(known)] == []


def test_the_options_of_the_benchmark_exist() -> None:
    program = [sys.executable, str(REPOSITORY / "benchmarks" / "run.py"), "--help"]
    told = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    lines = [line for page in DOCUMENTS for line in commands(page) if line.startswith("python benchmarks/run.py")]
    assert lines
    assert {word for line in lines for word in line.split() if word.startswith("--")} <= set(
        told.replace("]", " ").split()
    )


def test_no_command_hides_in_a_block_of_another_kind() -> None:
    """Only what stands in an `sh` block is run, so a block that begins with a command must be one."""
    blocks = [found for page in DOCUMENTS for found in _ANY.findall(text_of(page)) if found[0] != "sh"]
    programs = ("qcluster", "make", "python", "pip", "docker", "ssh")
    assert [text for _, text in blocks if text.split(maxsplit=1)[0] in programs] == []


@pytest.mark.parametrize("page", DOCUMENTS)
def test_inline_commands_exist_with_their_options(page: str) -> None:
    for written in _INLINE.findall(text_of(page)):
        parse(shlex.split(written.replace("…", "").replace("[", "").replace("]", "")), written)


def parse(words: list[str], written: str) -> None:
    """Raises where a command or an option of `written` does not exist. Values are not looked at."""
    command: click.Command = cli
    context = click.Context(cli, info_name="qcluster")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, f"`qcluster {written}`: there is no command {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    known = {option for one in command.params for option in one.opts} | {"--help", "-h", "--version"}
    own = words[: words.index("--")] if "--" in words else words
    assert [word for word in own if word.startswith("-") and word not in known] == [], f"`qcluster {written}`"


@pytest.mark.parametrize("page", DOCUMENTS)
def test_links_inside_the_project_lead_somewhere(page: str) -> None:
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text_of(page)) if "://" not in target]
    broken = [target for target in targets if not (REPOSITORY / page).parent.joinpath(target).exists()]
    assert broken == []


def test_the_readme_counts_the_lint_rules() -> None:
    assert f"# {len(RULES)} lint rules;" in text_of("README.md")


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len(text_of("README.md").splitlines()) <= 150


def test_the_demo_target_is_the_main_job() -> None:
    shown = subprocess.run(["make", "-n", "demo"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for verb in ("up", "status", "down"):
        assert f"qcluster {verb} inventories/lab-1p1d.yaml" in shown
    assert Path(REPOSITORY / "inventories/lab-1p1d.yaml").exists()
