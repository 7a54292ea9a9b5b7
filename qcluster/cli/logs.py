"""`qcluster logs`: an instance's start-up log as it is on its host."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from qcluster.cli import complete
from qcluster.cli.options import RunFlags, inventory_options
from qcluster.cli.session import Choice, Session, opened
from qcluster.command import sh
from qcluster.errors import EXIT_OK, InputError, TaskFailed

_TAIL = """
path=$1
case $path in '<fact:home>'*) path=$HOME${path#'<fact:home>'} ;; esac
[ -r "$path" ] || { echo "no log at $path: the instance was never started here" >&2; exit 1; }
exec tail -n "$2" ${3:+"$3"} -- "$path"
"""


@click.command()
@click.argument("name", metavar="INSTANCE", shell_complete=complete.instances)
@inventory_options
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows; Ctrl-C ends it.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=100, help="How many lines from the end [100].")
def logs(name: str, inventory_path: str | None, inventory_option: str | None, follow: bool, lines: int) -> int:
    """Show the log of INSTANCE (a name from `qcluster status`, or `proxy`)."""
    with opened(Choice(inventory_path, inventory_option), RunFlags()) as session:
        host, path = _where(session, name)
        command = sh(_TAIL, path, str(lines), "-F" if follow else "")
        outcome = session.fleet[host].run(command, on_output=_write)
        if not outcome.ok:
            raise TaskFailed(f"{host}: {outcome.err.strip() or f'tail ended with {outcome.exit}'}")
    return EXIT_OK


def _where(session: Session, name: str) -> tuple[str, str]:
    plan = session.plan
    assert plan
    places: Mapping[str, tuple[str, str]] = {one.name: (one.host, one.log) for one in plan.instances}
    if plan.proxy:
        places = {**places, "proxy": (plan.proxy.host, plan.proxy.log)}
    if name not in places:
        raise InputError(f"no instance {name!r} in deployment {plan.deployment}; there are: {', '.join(places)}")
    return places[name]


def _write(stream: str, chunk: bytes) -> None:
    target = sys.stdout if stream == "stdout" else sys.stderr
    target.buffer.write(chunk)
    target.buffer.flush()
