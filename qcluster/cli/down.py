"""`qcluster down`: stop what this tool started, and prove the NPUs free."""

from __future__ import annotations

from pathlib import Path

import click

from qcluster.cli.locks import unlocking
from qcluster.cli.options import RunFlags, inventory_options, run_options
from qcluster.cli.session import Choice, opened, run_playbook
from qcluster.cli.shipped import playbook


@click.command()
@inventory_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@run_options
def down(inventory_path: str | None, inventory_option: str | None, yes: bool, flags: RunFlags) -> int:
    """Stop the deployment of INVENTORY: proxy, decode, prefill; only what carries its label."""
    choice = Choice(inventory_path, inventory_option, flags.vault_password_file, flags.extra_vars)
    with opened(choice, flags) as session, unlocking(session, "down"):
        assert session.plan is not None
        hosts = ", ".join(host.name for host in session.plan.hosts)
        click.echo(f"{session.plan.deployment} ({session.path}), hosts: {hosts}", err=True)
        if not yes and not flags.check:
            click.confirm("Stop it?", abort=True, err=True)
        return run_playbook(session, "down", playbook("down", Path.cwd()), flags)
