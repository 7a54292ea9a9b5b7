"""`qcluster report`: the HTML page of an earlier run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from qcluster.cli import complete
from qcluster.cli.runs import find_run
from qcluster.report import html, replay


@click.command()
@click.argument("run", metavar="[RUN|last]", default="last", shell_complete=complete.runs)
@click.option("--html", "target", default="report.html", metavar="FILE", help="Where the page goes [report.html].")
def report(run: str, target: str) -> None:
    """Write one self-contained HTML page about RUN (see `qcluster runs`)."""
    folder = find_run(run)
    page = html.HtmlReport()
    for event in replay.events_of(folder):
        page(event)
    plan_file = folder / "plan.json"
    plan = json.loads(plan_file.read_text(encoding="utf-8")) if plan_file.exists() else None
    html.write(Path(target), page.render(plan, picture(plan)))
    click.echo(target)


def picture(plan: Mapping[str, Any] | None) -> str:
    """The topology as SVG, where there is a plan."""
    if plan is None:
        return ""
    from qcluster.serving.picture import svg
    from qcluster.serving.plan import from_json

    return svg(from_json(plan))
