"""`qcluster up`: from hosts to a proven service."""

from __future__ import annotations

from pathlib import Path

import click

from qcluster.cli.api_key import api_key_option, keyed
from qcluster.cli.consent import absent_outside, consent
from qcluster.cli.locks import unlocking
from qcluster.cli.options import RunFlags, inventory_options, run_options
from qcluster.cli.session import Choice, opened, run_playbook
from qcluster.cli.shipped import playbook
from qcluster.errors import was_interrupted

DETACHED = """\
Detached: downloads and engines go on without this run.
  qcluster up {inventory}       goes on from where the hosts are
  qcluster status {inventory}   shows how far they are
  qcluster down {inventory}     stops them"""


OUTSIDE = """\
{hosts}: outside --limit, and the engines there do not run. What starts now cannot be proven to serve before they do:
  qcluster up {inventory}"""


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
    with opened(choice, flags) as session, unlocking(session, "up"):
        extra: dict[str, object] = {"qcluster_yes": flags.check or consent(session, yes), **keyed(api_key)}
        if skip_network:  # else the inventory's own variable counts
            extra["skip_network"] = True
        if absent := absent_outside(session, flags.limit):
            click.echo(OUTSIDE.format(hosts=", ".join(absent), inventory=session.path), err=True)
        code = run_playbook(session, "up", playbook("up", Path.cwd()), flags, extra_vars=extra)
        if was_interrupted(code):
            click.echo(DETACHED.format(inventory=session.path), err=True)
        return code
