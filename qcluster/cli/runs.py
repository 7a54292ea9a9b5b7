"""`qcluster runs`: what was run from this directory, and what came of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from qcluster.cli import complete
from qcluster.cli.session import RUNS
from qcluster.errors import InputError
from qcluster.report import journal


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
@click.argument("run", metavar="RUN|last", shell_complete=complete.runs)
@click.option("--host", default="", help="Only this host's log.")
@click.option("--commands", is_flag=True, help="Only the remote commands that were run.")
def show(run: str, host: str, commands: bool) -> None:
    """Tell one run: its hosts' logs, or the exact commands."""
    folder = find_run(run)
    click.echo(_row({"run": folder.name, **journal.summary(folder)}))
    for path in sorted((folder / "hosts").glob("*.log")):
        if host in ("", path.stem):
            click.echo(f"\n{path.stem}")
            click.echo("".join(_lines(path, commands)), nl=False)


def _lines(path: Path, commands: bool) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [f"  {line}" for line in lines if not commands or " exit " in line]


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
