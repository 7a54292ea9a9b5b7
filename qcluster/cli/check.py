"""`qcluster check`: lint inventories without touching a host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from qcluster.cli.kept import RUNS
from qcluster.cli.options import parse_extra, which_inventory
from qcluster.cli.session import Choice, load_inventory
from qcluster.spelling import counted

if TYPE_CHECKING:
    from qcluster.errors import Problem
    from qcluster.serving.lint.check import Finding
    from qcluster.serving.lint.rule import Neighbour


@dataclass(frozen=True)
class Checked:
    """What is wrong: what cannot be planned, and what the rules say."""

    problems: tuple[Problem, ...]
    findings: tuple[Finding, ...]

    def count(self, severity: str) -> int:
        """How many of a severity are not ignored."""
        found = sum(one.severity == severity for one in self.findings if not one.ignored)
        return found + (len(self.problems) if severity == "error" else 0)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(), metavar="[INVENTORY]...")
@which_inventory
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("-e", "--extra-vars", "extra", multiple=True, metavar="K=V|JSON|@FILE", help="Variables that win.")
def check(
    paths: tuple[str, ...], inventory_option: str | None, as_json: bool, strict: bool, extra: tuple[str, ...]
) -> int:
    """Lint an inventory: what would fail, what is risky, what is worth knowing. Exit 2 when a rule refuses it.

    Several are compared, too: deployments that are to run side by side may share hosts, but no port, NPU or name.
    """
    extra_vars = parse_extra(extra)
    chosen = [Choice(path, inventory_option, extra_vars=extra_vars) for path in paths or (None,)]
    found = _checked(chosen)
    click.echo(_json(found) if as_json else "\n".join(_lines(found)))
    return 2 if found.count("error") or (strict and found.count("warning")) else 0


def _checked(chosen: Sequence[Choice]) -> Checked:
    """Each inventory by itself, beside those named before it, and beside what was started from this directory."""
    from qcluster.errors import InputError
    from qcluster.serving.lint.check import check as lint
    from qcluster.serving.lint.check import ordered
    from qcluster.serving.lint.rule import Neighbour
    from qcluster.serving.planner import draft

    problems: list[Problem] = []
    findings: list[Finding] = []
    others = list(started())
    for choice in chosen:
        try:
            path, inventory = load_inventory(choice)
            drafted = draft(inventory)
        except InputError as error:
            problems += error.problems
            continue
        problems += drafted.problems
        findings += lint(drafted, others=others)
        others.append(Neighbour(str(path), drafted.plan))
    return Checked(tuple(dict.fromkeys(problems)), tuple(ordered(findings)))


def started() -> Iterator[Neighbour]:
    """The deployments that `up` started from this directory and `down` has not stopped."""
    from qcluster.report.journal import plan_of, standing
    from qcluster.serving.lint.rule import Neighbour
    from qcluster.serving.plan import from_json

    for folder in standing(RUNS):
        try:
            yield Neighbour(str(folder), from_json(plan_of(folder)), running=True)
        except ValueError:
            continue  # written by another version


def _lines(found: Checked) -> Iterator[str]:
    """Remarks first, errors last: nearest to the prompt."""
    yield from (f"ignored  {replace(one, hint='')}: {one.ignored}" for one in found.findings if one.ignored)
    yield from (f"{one.severity:<8} {one}" for one in found.findings if not one.ignored and one.severity != "error")
    refused = [one for one in found.findings if one.severity == "error" and not one.ignored]
    errors = [*((one, str(one)) for one in found.problems), *((one.problem, str(one)) for one in refused)]
    yield from (f"error    {text}" for _, text in sorted(errors))
    named = (("error", "error"), ("warning", "warning"), ("info", "remark"))
    yield ", ".join(counted(found.count(severity), word) for severity, word in named)


def _json(found: Checked) -> str:
    problems = [{"rule": "", "severity": "error", **vars(problem)} for problem in found.problems]
    return json.dumps([*(vars(one) for one in found.findings), *problems], indent=2, ensure_ascii=False)
