"""`qcluster check`: lint an inventory without touching a host."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from qcluster.cli.options import inventory_options, parse_extra
from qcluster.cli.session import Choice, load_inventory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcluster.serving.lint.check import Finding
    from qcluster.serving.planner import Draft


@click.command()
@inventory_options
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("-e", "--extra-vars", "extra", multiple=True, metavar="K=V|JSON|@FILE", help="Variables that win.")
def check(
    inventory_path: str | None, inventory_option: str | None, as_json: bool, strict: bool, extra: tuple[str, ...]
) -> int:
    """Lint an inventory: what would fail, what is risky, what is worth knowing. Exit 2 when a rule refuses it."""
    from qcluster.serving.lint.check import check as lint
    from qcluster.serving.planner import draft

    _path, inventory = load_inventory(Choice(inventory_path, inventory_option, extra_vars=parse_extra(extra)))
    drafted = draft(inventory)
    findings = lint(drafted)
    click.echo(_json(drafted, findings) if as_json else _text(drafted, findings))
    bad = {"error", "warning"} if strict else {"error"}
    return 2 if drafted.problems or any(one.severity in bad and not one.ignored for one in findings) else 0


def _text(drafted: Draft, findings: Sequence[Finding]) -> str:
    lines = [f"error    {problem}" for problem in drafted.problems]
    lines += [f"{one.severity:<8} {one}" for one in findings if not one.ignored]
    lines += [f"ignored  {one}: {one.ignored}" for one in findings if one.ignored]
    return "\n".join([*lines, _count(drafted, findings)])


def _count(drafted: Draft, findings: Sequence[Finding]) -> str:
    active = [one.severity for one in findings if not one.ignored]
    errors = active.count("error") + len(drafted.problems)
    return f"{errors} errors, {active.count('warning')} warnings, {active.count('info')} remarks"


def _json(drafted: Draft, findings: Sequence[Finding]) -> str:
    problems = [{"rule": "", "severity": "error", **vars(problem)} for problem in drafted.problems]
    return json.dumps([*problems, *(vars(one) for one in findings)], indent=2, ensure_ascii=False)
