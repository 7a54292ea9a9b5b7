"""The tool as `pip install .` leaves it: playbooks, roles and the man page come along; the checkout is not needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from workplace import REPOSITORY


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


def run(installed: Path, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "qcluster", *words]
    return subprocess.run(command, cwd=place, env=environ, capture_output=True, text=True, timeout=60)


def test_an_inventory_is_written_and_planned_far_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    options = ("--model", "Qwen3.5-27B-w8a8", "--hardware", "a3", "--user", "root", "--tp", "2", "--dp", "8")
    written = run(installed, tmp_path, "init", "one.yaml", "--prefill", "10.0.0.1", "--decode", "10.0.0.2", *options)
    assert written.returncode == 0, written.stdout + written.stderr
    planned = run(installed, tmp_path, "plan", "one.yaml")
    assert planned.returncode == 0, planned.stderr
    assert "decode" in planned.stdout


def test_the_shipped_playbooks_and_roles_are_found(installed: Path, tmp_path: Path) -> None:
    assert "roles:\n  engine, " in run(installed, tmp_path, "docs").stdout
    listed = run(installed, tmp_path, "docs", "engine")
    assert listed.stdout.startswith("role engine\n"), listed.stderr


def test_the_man_page_is_installed(installed: Path) -> None:
    assert (installed / "share" / "man" / "man1" / "qcluster.1").is_file()
