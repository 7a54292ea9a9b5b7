"""`qcluster verify-network`: which NPU cannot reach which, and why."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qcluster.cli.options import RunFlags, inventory_options, run_options
from qcluster.cli.session import Choice, Session, opened, run_playbook
from qcluster.cli.shipped import playbook
from qcluster.errors import UnreachableError
from qcluster.events import Event, HostFinished

if TYPE_CHECKING:
    from qcluster.report.html import HtmlReport


@dataclass
class Catch:
    """Keeps the report that the check registers, as the run's events pass by."""

    report: Mapping[str, Any] | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, HostFinished) and "findings" in event.result.values and "matrix" in event.result.values:
            self.report = event.result.values


@click.command()
@inventory_options
@click.option("--full", is_flag=True, help="Probe every NPU pair of hosts that talk.")
@click.option("--pairs", type=click.IntRange(min=1), default=None, help="NPU pairs of each host pair, at least [1].")
@click.option("--budget", type=click.FloatRange(min=1), default=None, metavar="SECONDS", help="Time for the probes.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout.")
@click.option("--allow-unknown", is_flag=True, help="Exit 0 although something could not be judged.")
@run_options
def verify_network(
    inventory_path: str | None,
    inventory_option: str | None,
    flags: RunFlags,
    as_json: bool,
    **how: Any,
) -> int:
    """Probe the NPU fabric and the host network of INVENTORY. Reads and probes; changes nothing.

    Exit code 0 only if nothing failed and nothing is unknown.
    """
    if as_json and flags.output != "human":
        raise click.UsageError("--json and --output both want stdout: give one of them")
    extra = {f"network_{name}": value for name, value in how.items() if value not in (None, False)}
    extra["network_brief"] = flags.output == "human"  # the report itself follows
    choice = Choice(inventory_path, inventory_option, flags.vault_password_file, flags.extra_vars)
    caught = Catch()
    with opened(choice, flags) as session:
        session.watchers.append(caught)
        run = _watched(session, flags)
        book = playbook("verify-network", Path.cwd())
        code = run_playbook(session, "verify-network", book, replace(flags, html=None), extra_vars=extra)
    report = caught.report
    if report is None and code == UnreachableError.exit_code:
        from qcluster.network.document import nothing_reached

        report = nothing_reached(tuple(session.inventory.hosts))
    if report is not None:
        _show(report, flags, as_json, f"{time.strftime('%Y-%m-%d %H:%M:%S')} · {session.path}")
    elif run and flags.html:
        from qcluster.cli.report import write

        click.echo(write(flags.html, run, None), err=True)
    return code


def _watched(session: Session, flags: RunFlags) -> HtmlReport | None:
    """Hears the run, for its page where the check ends before it has found anything; else the page is one of links."""
    if flags.html is None:
        return None
    from qcluster.report.html import HtmlReport

    told = HtmlReport()
    session.watchers.append(told)
    return told


def _show(report: Mapping[str, Any], flags: RunFlags, as_json: bool, where: str) -> None:
    from qcluster.report.network_text import network_lines

    kept = {name: value for name, value in report.items() if name not in ("changed", "failed", "msg")}
    if as_json:
        click.echo(json.dumps(kept, indent=1))
    elif flags.output == "human":
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        click.echo("\n".join(network_lines(kept, colour)))
    if flags.html:
        from qcluster.report import page
        from qcluster.report.network_html import network_page

        click.echo(page.write(flags.html, network_page(kept, where)), err=True)
