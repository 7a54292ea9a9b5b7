"""Inventories and patterns mean what they mean to ansible-core."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from qcluster.inventory import load, patterns, show

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "inventory"
EXAMPLES = sorted((ROOT / "inventories").glob("*.y*ml"))
SOURCES = [*sorted(CASES.glob("*.yaml")), CASES / "beside" / "hosts.yaml", CASES / "folder", *EXAMPLES]
PATTERNS = yaml.safe_load((CASES / "patterns.yml").read_text(encoding="utf-8"))
PAIRS = [(source, pattern) for source, asked in PATTERNS.items() for pattern in asked]


@functools.cache
def ansible() -> dict[str, Any]:
    """ansible-core's answers to everything, from one process."""
    oracle = Path(__file__).with_name("inventory_oracle.py")
    argv = [sys.executable, str(oracle), str(CASES / "patterns.yml"), *map(str, SOURCES)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("source", SOURCES, ids=relative)
def test_the_list_is_that_of_ansible_inventory(source: Path) -> None:
    ours = json.loads(json.dumps(show.as_json(load(source))))
    assert ours == ansible()["list"][str(source)]


def test_variables_beside_the_playbook_win_as_in_ansible() -> None:
    ours = show.as_json(load(CASES / "beside" / "hosts.yaml", playbook_dir=CASES / "beside" / "play"))
    assert json.loads(json.dumps(ours)) == ansible()["play"]


@pytest.mark.parametrize("source", SOURCES, ids=relative)
def test_the_graph_is_that_of_ansible_inventory(source: Path) -> None:
    assert "\n".join(show.graph(load(source))) + "\n" == ansible()["graph"][str(source)]


@pytest.mark.parametrize(("source", "pattern"), PAIRS)
def test_a_pattern_selects_the_hosts_that_ansible_selects(source: str, pattern: str) -> None:
    assert list(patterns.select(load(CASES / source), pattern)) == ansible()["hosts"][source][pattern]
