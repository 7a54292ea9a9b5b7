"""`qcluster logs`: an instance's start-up log as it is on its host."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

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
@click.argument("name", metavar="[INSTANCE]", required=False, default=None, shell_complete=complete.instances)
@inventory_options
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows; Ctrl-C ends it.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=100, help="How many lines from the end [100].")
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    metavar="FILE.tar.gz",
    help="Instead: logs, plan, journal, docker, npu-smi, hccn, versions of all hosts, secrets masked.",
)
def logs(
    name: str | None,
    inventory_path: str | None,
    inventory_option: str | None,
    follow: bool,
    lines: int,
    bundle: Path | None,
) -> int:
    """Show the log of INSTANCE (a name from `qcluster status`, or `proxy`), or collect everything in a bundle."""
    if bundle is None and name is None:
        raise InputError("whose log? Name an instance (`qcluster status` lists them) or proxy, or use --bundle FILE")
    where = Choice(inventory_path or (name if bundle else None), inventory_option)
    with opened(where, RunFlags()) as session:
        if bundle is not None:
            from qcluster.cli.bundle import write_bundle

            write_bundle(session, bundle)
            return EXIT_OK
        assert name is not None
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
