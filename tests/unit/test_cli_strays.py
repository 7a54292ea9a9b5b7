"""Hosts that only the controller's journal still knows: started, never stopped, in no inventory any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from life_stand import ROOT

from qcluster.cli.strays import strays
from qcluster.inventory import load
from qcluster.report.journal import Journal
from qcluster.serving import make_plan
from qcluster.serving.plan import as_json

PLAN = as_json(make_plan(load(ROOT / "inventories" / "1p1d.yaml")))
FIRST, SECOND = (host["name"] for host in PLAN["hosts"])
WELL = {"changed": 1, "failed": 0, "unreachable": 0}
LOST = {"changed": 0, "failed": 0, "unreachable": 1}


def ran(root: Path, verb: str, recap: dict[str, Any] | None, names: tuple[str, ...] = (FIRST, SECOND)) -> None:
    """A run of `verb` over the hosts `names`, after those before."""
    folder = root / f"2026010{len(list(root.iterdir()))}-000000-{verb}"
    journal = Journal(folder)
    hosts = [host for host in PLAN["hosts"] if host["name"] in names]
    journal.save_plan({**PLAN, "hosts": hosts})
    journal.save_ways({name: {"ansible_host": f"{name}.example", "ansible_port": 2222} for name in names})
    journal.close()
    told = {"verb": verb, "at": 1.0, "deployment": PLAN["deployment"], **({} if recap is None else {"recap": recap})}
    (folder / "run.json").write_text(json.dumps(told))


def left(root: Path, *known: str) -> dict[str, bool]:
    return {one.name: one.tried for one in strays(root, PLAN["deployment"], known)}


def test_who_was_started_and_not_stopped_is_known_with_the_way_to_it(tmp_path: Path) -> None:
    ran(tmp_path, "up", {FIRST: WELL, SECOND: WELL})
    assert left(tmp_path, FIRST) == {SECOND: False}
    (one,) = strays(tmp_path, PLAN["deployment"], [FIRST])
    assert one.member.connection == {"ansible_host": f"{SECOND}.example", "ansible_port": 2222}
    assert one.member.instances and one.run.endswith("-up")
    assert strays(tmp_path, "another", []) == []


def test_a_down_that_came_there_ends_it(tmp_path: Path) -> None:
    ran(tmp_path, "up", {FIRST: WELL, SECOND: WELL})
    ran(tmp_path, "down", {FIRST: WELL, SECOND: LOST})
    assert left(tmp_path) == {SECOND: False}, "still in the inventory: the next down asks it again"
    ran(tmp_path, "down", {FIRST: WELL, SECOND: LOST}, (FIRST,))
    assert left(tmp_path) == {SECOND: True}, "it had left, and was asked in vain"
    ran(tmp_path, "down", {FIRST: WELL, SECOND: WELL}, (FIRST,))
    assert left(tmp_path) == {}


def test_where_nothing_was_changed_nothing_was_started(tmp_path: Path) -> None:
    ran(tmp_path, "up", {FIRST: WELL, SECOND: LOST})
    assert left(tmp_path) == {FIRST: False}
    ran(tmp_path, "up", None)
    assert left(tmp_path) == {FIRST: False, SECOND: False}, "a killed run may have started anything"


def test_scale_stops_who_left(tmp_path: Path) -> None:
    ran(tmp_path, "up", {FIRST: WELL, SECOND: WELL})
    ran(tmp_path, "scale", {FIRST: WELL, SECOND: WELL}, (FIRST,))
    assert left(tmp_path) == {FIRST: False}
