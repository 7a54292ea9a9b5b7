from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from qcluster.spelling import all_nearest, nearest


def test_nearest_is_the_word_most_alike() -> None:
    assert nearest("statsu", ["start", "status", "stop"]) == "status"


def test_nothing_is_near_enough() -> None:
    assert nearest("xyz", ["status", "stop"]) == ""
    assert nearest("stat", ["status"], cutoff=0.9) == ""


def test_equally_near_words_are_all_told_sorted() -> None:
    assert all_nearest("dpp", ["pp", "dp", "tp"], cutoff=0.8) == ["dp", "pp"]
    assert all_nearest("xyz", ["pp"]) == []


def test_a_start_without_a_mistake_does_not_pay_for_difflib() -> None:
    code = "import sys, qcluster.inventory, qcluster.modules.arguments, qcluster.report.journal; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"difflib", "statistics", "qcluster.diagnose.milestones"} & set(modules)


def test_a_playbook_of_ones_own_does_not_pay_for_the_planner(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text("- {hosts: all, gather_facts: false, tasks: [{debug: {msg: hi}}]}\n")
    (tmp_path / "hosts.yaml").write_text("all: {hosts: {h: {ansible_connection: local}}}\n")
    argv = ["qcluster", "run", "one.yml", "-i", "hosts.yaml", "-q"]
    code = (
        f"import sys; sys.argv = {argv}; from qcluster import cli; cli.cli(standalone_mode=False); print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not {"qcluster.serving", "qcluster.lab", "rich", "paramiko", "pprint", "statistics"} & set(
        run.stdout.split()
    )
