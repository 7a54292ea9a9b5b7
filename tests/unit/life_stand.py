"""What the tests of this room share: a small plan, and a call as the engine would make it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcluster.inventory import load
from qcluster.modules.base import Call
from qcluster.serving import HostFacts, bind, make_plan
from qcluster.serving.plan import as_json
from qcluster.templating import Templar
from qcluster.templating.compiled import Style

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = """\
all:
  vars: {deployment: small, model: Qwen3.5-27B-w8a8, hardware: a3, tp: 2, dp: 2, ansible_user: root, npus: 4}
  children:
    prefill: {hosts: {p1: {ip: 10.0.0.1}}}
    decode: {hosts: {d1: {ip: 10.0.0.2}}}
"""


def document(tmp_path: Path, text: str = INVENTORY) -> dict[str, Any]:
    """The bound plan of a small deployment, as JSON."""
    file = tmp_path / "inventory.yaml"
    file.write_text(text)
    plan = make_plan(load(file))
    facts = HostFacts("a3", "eth0", "/root", True, "", "", "aarch64", tuple(range(16)))
    return as_json(bind(plan, {host.name: facts for host in plan.hosts}))


def variables(plan: dict[str, Any], host: str) -> dict[str, Any]:
    """What the playbooks see on one host."""
    part = next(one for one in plan["hosts"] if one["name"] == host)
    own = [one for one in plan["instances"] if one["host"] == host]
    return {"qcluster_plan": plan, "qcluster_instances": own, "qcluster_host": part, "inventory_hostname": host}


def call(role: str, seen: dict[str, Any], args: dict[str, Any]) -> Call:
    """One task of `role` on the host of `seen`."""

    def template_file(path: Path, settings: Mapping[str, Any]) -> str:
        return str(Templar({**seen, **settings["variables"]}).text(path.read_text(), Style((), trim_blocks=True)))

    return Call(
        host=seen["inventory_hostname"],
        args=args,
        variables=seen,
        find=lambda kind, name: ROOT / "roles" / role / kind / name,
        template_file=template_file,
    )
