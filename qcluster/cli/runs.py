"""`qcluster runs`: what was run from this directory, and what came of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from qcluster.cli import complete
from qcluster.cli.kept import RUNS
from qcluster.errors import InputError
from qcluster.events import CommandRan
from qcluster.report import journal, replay


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def runs(ctx: click.Context, as_json: bool) -> None:
    """List the runs of this directory, newest last; `runs show RUN` tells one."""
    if ctx.invoked_subcommand:
        return
    rows = [{"run": folder.name, **journal.summary(folder)} for folder in journal.runs(RUNS)]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        click.echo(_row(row))
    if not rows:
        click.echo("no runs yet in .qcluster/runs", err=True)


def _row(row: dict[str, Any]) -> str:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["at"]))
    code = "unfinished" if row["exit"] is None else f"exit {row['exit']}"
    took = f"{row.get('elapsed', 0):8.1f} s" if row["exit"] is not None else f"{'':>10}"
    return f"{row['run']:<32} {began}  {code:<10} {took}  {row['inventory']}"


@runs.command()
@click.argument("run", metavar="RUN|last", default="last", shell_complete=complete.runs)
@click.option("--host", default="", help="Only what concerns this host.")
@click.option("--commands", is_flag=True, help="Only the remote commands that were run.")
@click.option("--scripts", is_flag=True, help="With --commands: the scripts, too, that shells were given.")
@click.option("--json", "as_json", is_flag=True, help="The whole run as one document, as --output json prints it.")
def show(run: str, host: str, commands: bool, scripts: bool, as_json: bool) -> None:
    """Tell one run: its hosts' logs, or the exact commands."""
    folder = find_run(run)
    if as_json:
        click.echo(json.dumps(_document(folder), indent=2, ensure_ascii=False))
        return
    click.echo(_row({"run": folder.name, **journal.summary(folder)}))
    told = _commands(folder, scripts) if commands or scripts else journal.logs(folder)
    if host and host not in told:
        raise InputError(f"nothing is known of {host!r} in this run; there are: {', '.join(told)}")
    for name, lines in told.items():
        if host in ("", name):
            click.echo(f"\n{name}")
            click.echo("\n".join(f"  {line}" for line in lines))


@runs.command()
@click.pass_context
def last(ctx: click.Context) -> None:
    """Tell the newest run, as `runs show last` does."""
    ctx.invoke(show, run="last")


def _document(folder: Path) -> Any:
    from qcluster.report.collect import Collector
    from qcluster.report.serialise import plain

    collector = Collector()
    for event in replay.events_of(folder):
        collector(event)
    return plain(collector.run)


def _commands(folder: Path, scripts: bool) -> dict[str, list[str]]:
    """Each host's commands, with the time at which they ended."""
    told: dict[str, list[str]] = {}
    for event in replay.events_of(folder):
        if isinstance(event, CommandRan):
            at = time.strftime("%H:%M:%S", time.localtime(event.at))
            lines = told.setdefault(event.host, [])
            lines.append(f"{at}  exit {event.exit} in {event.elapsed:.3f} s  {event.line}")
            lines += [f"    | {line}" for line in event.script.splitlines() if scripts]
    return dict(sorted(told.items()))


def find_run(name: str) -> Path:
    """The folder of the one run whose name begins with `name`, or of the newest (`last`)."""
    known = journal.runs(RUNS)
    if name == "last" and known:
        return known[-1]
    matching = [folder for folder in known if folder.name.startswith(name)]
    if len(matching) != 1:
        listed = ", ".join(folder.name for folder in (matching or known)[-5:]) or "none yet"
        raise InputError(f"no single run is called {name!r}; there are: {listed}")
    return matching[0]
