"""`qcluster up`: from hosts to a proven service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from qcluster.cli.api_key import api_key_option, keyed
from qcluster.cli.consent import absent_outside, consent
from qcluster.cli.kept import RUNS
from qcluster.cli.locks import unlocking
from qcluster.cli.options import RunFlags, inventory_options, run_options
from qcluster.cli.rerun import failed_before
from qcluster.cli.session import Choice, Session, opened, read_ahead, run_playbook
from qcluster.cli.shipped import playbook
from qcluster.errors import was_interrupted

DETACHED = """\
Detached: downloads and engines go on without this run.
  qcluster up {inventory}       goes on from where the hosts are
  qcluster status {inventory}   shows how far they are
  qcluster down {inventory}     stops them"""


OUTSIDE = """\
{hosts}: outside --limit, and not all of the plan runs there. What starts now cannot be proven to serve before it does:
  qcluster up {inventory}"""

AGAIN = "again: {failed} (failed){waiting}"
WAITING = "; {hosts} (not all runs there, since the others failed)"


@click.command()
@inventory_options
@click.option("--skip-network", is_flag=True, help="Do not probe the NPU fabric first.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before a serving instance is stopped.")
@api_key_option
@run_options
def up(
    inventory_path: str | None,
    inventory_option: str | None,
    skip_network: bool,
    yes: bool,
    api_key: str,
    flags: RunFlags,
) -> int:
    """Bring the deployment of INVENTORY up and prove that it serves. What runs already as planned is left alone."""
    choice = Choice(inventory_path, inventory_option, flags.vault_password_file, flags.extra_vars)
    plays = playbook("up", Path.cwd())
    with opened(choice, flags) as session:
        flags = _again(session, str(plays), flags)
        with unlocking(session, "up"):
            # without the flag the inventory's own variable counts
            network = {"skip_network": True} if skip_network else {}
            agreed = flags.check or consent(session, yes, lambda: read_ahead(session, plays, flags))
            extra = {"qcluster_yes": agreed, **keyed(api_key), **network}
            _warn_of_others(session, flags.limit)
            code = run_playbook(session, "up", plays, flags, extra_vars=extra)
        if was_interrupted(code):
            click.echo(DETACHED.format(inventory=session.path), err=True)
        return code


def _warn_of_others(session: Session, limit: str) -> None:
    if absent := absent_outside(session, limit):
        click.echo(OUTSIDE.format(hosts=", ".join(absent), inventory=session.path), err=True)


def _again(session: Session, plays: str, flags: RunFlags) -> RunFlags:
    """With --rerun-failed: those that failed, and those that wait for them, since only all together can be proven."""
    if not flags.rerun_failed:
        return flags
    failed = failed_before(RUNS, plays, str(session.path), flags.limit)
    waiting = absent_outside(session, failed)
    more = WAITING.format(hosts=", ".join(waiting)) if waiting else ""
    click.echo(AGAIN.format(failed=failed.replace(",", ", "), waiting=more), err=True)
    everybody = session.plan and {host.name for host in session.plan.hosts} <= {*failed.split(","), *waiting}
    return replace(flags, rerun_failed=False, limit="" if everybody else ",".join([failed, *waiting]))
