"""Tab in a real bash: what the script of `qcluster completion bash` offers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workplace import REPOSITORY, Workplace

_PRESS = """
. ./script
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_qcluster_completion qcluster
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    (folder / "inventories").mkdir()
    shutil.copy(REPOSITORY / "inventories" / "1p1d.yaml", folder / "inventories")
    (folder / "script").write_text(Workplace(folder).run("completion", "bash").out, encoding="utf-8")
    return folder


def pressed(folder: Path, *words: str) -> list[str]:
    """What bash offers when Tab is pressed at the end of `words`."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shown = subprocess.run(
        ["bash", "--norc", "-c", _PRESS, "bash", *words],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shown.stderr == "" or "compopt" in shown.stderr, shown.stderr
    return shown.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("qcluster", "verify"), ["verify-network"]),
        (("qcluster", "up", "--list-"), ["--list-hosts", "--list-tasks", "--list-tags"]),
        (("qcluster", "logs", "d1-decode-7"), ["d1-decode-7"]),
        (("qcluster", "up", "--limit", "prefill:!d"), ["prefill:!d1", "prefill:!decode"]),
        (("qcluster", "rules", "QC101"), ["QC101"]),
        (("qcluster", "completion", ""), ["bash", "zsh", "fish"]),
    ],
)
def test_tab_offers(checkout: Path, words: tuple[str, ...], offered: list[str]) -> None:
    assert pressed(checkout, *words) == offered


def test_a_broken_inventory_offers_nothing_and_says_nothing(checkout: Path, tmp_path: Path) -> None:
    shutil.copy(checkout / "script", tmp_path)
    (tmp_path / "inventories").mkdir()
    (tmp_path / "inventories" / "one.yaml").write_text("all: [", encoding="utf-8")
    assert pressed(tmp_path, "qcluster", "logs", "p") == []


@pytest.mark.parametrize(
    ("shell", "sign"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --no-files")]
)
def test_each_shell_has_its_script(shared_place: Workplace, shell: str, sign: str) -> None:
    ran = shared_place.run("completion", shell)
    assert ran.exit == 0 and sign in ran.out and "_QCLUSTER_COMPLETE" in ran.out
