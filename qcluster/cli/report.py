"""`qcluster report`: the HTML page of an earlier run; and of the present one (`--html`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qcluster.cli import complete
from qcluster.cli.options import page_place

if TYPE_CHECKING:
    from qcluster.report.html import HtmlReport


@click.command()
@click.argument("run", metavar="[RUN|last]", default="last", shell_complete=complete.runs)
@click.option("--html", type=click.Path(path_type=Path), callback=page_place, metavar="FILE", help="Where to.")
def report(run: str, html: Path | None) -> None:
    """Write one self-contained HTML page about RUN (see `qcluster runs`): report-RUN.html, or the file of --html."""
    from qcluster.cli.runs import find_run
    from qcluster.report import replay
    from qcluster.report.html import HtmlReport

    folder = find_run(run)
    told = HtmlReport()
    for event in replay.events_of(folder):
        told(event)
    click.echo(write(html or Path(f"report-{folder.name}.html"), told, _plan(folder)))


def _plan(folder: Path) -> Mapping[str, Any] | None:
    """The plan of a journal; None where there is none, or where another version of this program wrote it."""
    from qcluster.serving.plan import from_json

    path = folder / "plan.json"
    if not path.exists():
        return None
    plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    try:
        from_json(plan)
    except ValueError:
        click.echo(f"{path}: written by another version of qcluster; the page has no topology and no plan", err=True)
        return None
    return plan


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
