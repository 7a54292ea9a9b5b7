"""`qcluster report`: the HTML page of an earlier run; and of the present one (`--html`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qcluster.cli import complete
from qcluster.cli.options import html_option

if TYPE_CHECKING:
    from qcluster.report.html import HtmlReport


@click.command()
@click.argument("run", metavar="[RUN|last]", default="last", shell_complete=complete.runs)
@html_option
def report(run: str, html: Path | None) -> None:
    """Write one self-contained HTML page about RUN (see `qcluster runs`): report-RUN.html, or the file of --html."""
    from qcluster.cli.runs import find_run
    from qcluster.report import replay
    from qcluster.report.html import HtmlReport

    folder = find_run(run)
    told = HtmlReport()
    for event in replay.events_of(folder):
        told(event)
    plan_file = folder / "plan.json"
    plan = json.loads(plan_file.read_text(encoding="utf-8")) if plan_file.exists() else None
    click.echo(write(html or Path(f"report-{folder.name}.html"), told, plan))


def write(path: Path, told: HtmlReport, plan: Mapping[str, Any] | None) -> str:
    """The page of what `told` heard. Returns the sentence that says where it is."""
    from qcluster.report import page

    return page.write(path, told.render(plan, picture(plan)))


def picture(plan: Mapping[str, Any] | None) -> str:
    """The topology as SVG, where there is a plan."""
    if plan is None:
        return ""
    from qcluster.serving.picture import svg
    from qcluster.serving.plan import from_json

    return svg(from_json(plan))
