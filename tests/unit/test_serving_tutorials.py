"""The tutorials of vllm-ascend as inventories: short, clean, and the processes are those of the page."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from qcluster.inventory import load
from qcluster.serving import make_plan
from qcluster.serving.layers import spelling
from qcluster.serving.lint.check import check
from qcluster.serving.options import options
from qcluster.serving.planner import draft

ROOT = Path(__file__).parent.parent.parent
TUTORIALS = sorted((ROOT / "tests/cases/tutorials").glob("*.yaml"))
SHIPPED = sorted((ROOT / "inventories").glob("*.yaml"))
PROCESSES: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "tests/cases/serving/tutorials.yml").read_text(encoding="utf-8")
)
MOVING = ("minimax-m3-two-hosts", "deepseek-v4-pro-1p1d", "deepseek-v4-pro-a2")
KNOWN = {name: {"QC106"} for name in MOVING}
"""Warnings that a page means: its model is served by what becomes the next release."""


@pytest.mark.parametrize("family", ["deepseek", "kimi", "glm", "minimax", "qwen3"])
def test_every_family_of_the_issue_has_an_inventory(family: str) -> None:
    assert any(path.name.startswith(family) for path in (*TUTORIALS, *SHIPPED))


@pytest.mark.parametrize("path", [*TUTORIALS, *SHIPPED], ids=lambda path: path.stem)
def test_an_inventory_is_short_and_clean(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60
    drafted = draft(load(path))
    told = [one for one in check(drafted) if one.severity != "info" and not one.ignored]
    assert not drafted.problems and {one.rule for one in told} == KNOWN.get(path.stem, set()), told


@pytest.mark.parametrize("case", PROCESSES, ids=lambda case: f"{case['inventory']}-{case['process']}")
def test_a_process_has_the_words_of_its_page(case: dict[str, Any]) -> None:
    plan = make_plan(load(ROOT / f"tests/cases/tutorials/{case['inventory']}.yaml"))
    one = next(one for one in plan.instances if one.name == case["process"])
    planned = options(one.argv)
    wanted = {spelling(name): value for name, value in options(shlex.split(case["words"])).items()}
    assert {name: planned.get(name) for name in wanted} == wanted
    assert {name: one.env.get(name) for name in case.get("env", {})} == case.get("env", {})
    if "kv" in case:
        assert planned["kv-transfer-config"]["kv_connector_extra_config"] == case["kv"], json.dumps(planned, indent=1)
