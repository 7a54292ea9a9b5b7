"""`qcluster smoke`: prove again that a running deployment serves."""

from __future__ import annotations

from pathlib import Path

import click

from qcluster.cli.api_key import api_key_option, keyed
from qcluster.cli.options import RunFlags, inventory_options, run_options
from qcluster.cli.session import Choice, opened, run_playbook
from qcluster.cli.shipped import playbook


@click.command()
@inventory_options
@api_key_option
@run_options
def smoke(inventory_path: str | None, inventory_option: str | None, api_key: str, flags: RunFlags) -> int:
    """Ask every instance of INVENTORY and the proxy; exit code 4 when it runs but does not serve correctly."""
    choice = Choice(inventory_path, inventory_option, flags.vault_password_file, flags.extra_vars)
    with opened(choice, flags) as session:
        return run_playbook(session, "smoke", playbook("smoke", Path.cwd()), flags, extra_vars=keyed(api_key))
