"""`qcluster down`: stop what this tool started, and prove the NPUs free."""

from __future__ import annotations

from pathlib import Path

import click

from qcluster.cli.kept import RUNS
from qcluster.cli.locks import unlocking
from qcluster.cli.options import RunFlags, inventory_options, run_options
from qcluster.cli.scale import Move, last_record, with_groups
from qcluster.cli.session import Choice, Session, opened, rewired, run_playbook
from qcluster.cli.shipped import playbook
from qcluster.cli.strays import strays
from qcluster.serving.record import Member

GIVEN_UP = """\
{host} is not in the inventory any more, was started by {run}, and could not be reached by `down` since:
  qcluster down {inventory} --limit {host}   when it answers again"""


@click.command()
@inventory_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@run_options
def down(inventory_path: str | None, inventory_option: str | None, yes: bool, flags: RunFlags) -> int:
    """Stop the deployment of INVENTORY: proxy, decode, prefill; only what carries its label."""
    choice = Choice(inventory_path, inventory_option, flags.vault_password_file, flags.extra_vars)
    with opened(choice, flags) as session, unlocking(session, "down"):
        assert session.plan is not None
        left = _left(session, flags.limit)
        hosts = ", ".join(host.name for host in session.plan.hosts)
        more = f" and {', '.join(one.name for one in left)} (no longer in the inventory)" if left else ""
        click.echo(f"{session.plan.deployment} ({session.path}), hosts: {hosts}{more}", err=True)
        if not yes and not flags.check:
            click.confirm("Stop it?", abort=True, err=True)
        if left:
            rewired(session, flags, with_groups(session.inventory, Move((), left)))
        return run_playbook(session, "down", playbook("down", Path.cwd()), flags)


def _left(session: Session, limit: str) -> tuple[Member, ...]:
    """Hosts on which the deployment was started and that the inventory has lost since: the hosts' record knows them,
    or this directory's journal."""
    assert session.plan is not None
    known = {host.name for host in session.plan.hosts}
    found = last_record(session)
    recorded = tuple(one for one in found.members if one.name not in known) if found else ()
    others = strays(RUNS, session.plan.deployment, known | {one.name for one in recorded})
    named = limit.replace(":", ",").split(",")
    given_up = [one for one in others if one.tried and one.name not in named]
    for one in given_up:
        click.echo(GIVEN_UP.format(host=one.name, run=one.run, inventory=session.path), err=True)
    return (*recorded, *(one.member for one in others if one not in given_up))
