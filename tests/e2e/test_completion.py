"""Tab in a real bash, zsh and fish: what the scripts of `qcluster completion` offer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from workplace import REPOSITORY, Workplace

_PRESS = """
. ./script
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_qcluster_completion qcluster
printf '%s\\n' "${COMPREPLY[@]}"
"""

_ZSH = """
zmodload zsh/zpty
zpty inner "zsh -f -i"
zpty -w inner 'PS1=; unsetopt beep; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D
told() { print -rn -- "$BUFFER" >typed }; zle -N told; bindkey "^G" told; print ready >begun'
while [[ ! -s begun ]]; do sleep 0.05; done
zpty -w -n inner "$*"$'\\t'$'\\a'
while [[ ! -e typed ]]; do sleep 0.05; done
cat typed
zpty -d inner
"""
"""Types the words and Tab into an interactive zsh, and Ctrl-G, which writes down what then stands there."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    (folder / "inventories").mkdir()
    shutil.copy(REPOSITORY / "inventories" / "1p1d.yaml", folder / "inventories")
    (folder / "script").write_text(Workplace(folder).run("completion", "bash").out, encoding="utf-8")
    return folder


def pressed(folder: Path, *words: str) -> list[str]:
    """What bash offers when Tab is pressed at the end of `words`."""
    shown = shell(folder, "bash", "--norc", "-c", _PRESS, "bash", *words)
    assert shown.stderr == "" or "compopt" in shown.stderr, shown.stderr
    return shown.stdout.split()


def shell(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell in `folder`, where `qcluster` is the one of these tests and no settings of a person count."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "TERM": "dumb"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)


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


@pytest.fixture
def install(checkout: Path) -> Callable[[str, str], Path]:
    """Put a shell's script to where the help says; gives the folder to work in."""

    def put(name: str, place: str) -> Path:
        target = checkout / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Workplace(checkout).run("completion", name).out, encoding="utf-8")
        return checkout

    return put


def test_tab_in_zsh(install: Callable[[str, str], Path]) -> None:
    folder = install("zsh", "_qcluster")
    for typed, then in (("qcluster verify", "qcluster verify-network "), ("qcluster logs pro", "qcluster logs proxy ")):
        for left in ("begun", "typed"):
            (folder / left).unlink(missing_ok=True)
        assert shell(folder, "zsh", "-f", "-c", _ZSH, "zsh", typed).stdout == then


def test_tab_in_fish(install: Callable[[str, str], Path]) -> None:
    folder = install("fish", "fish/completions/qcluster.fish")
    lines = 'for line in $argv; complete -C "$line"; echo; end'
    words = ("qcluster verify", "qcluster logs pro", "qcluster completion ")
    offered = shell(folder, "fish", "-c", lines, *words).stdout.split("\n\n")
    assert [[line.split("\t")[0] for line in part.split("\n") if line] for part in offered[:3]] == [
        ["verify-network"],
        ["proxy"],
        ["bash", "fish", "zsh"],
    ]
