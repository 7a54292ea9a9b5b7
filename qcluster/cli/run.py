"""`qcluster run PLAYBOOK`: an Ansible-style playbook over the hosts of an inventory."""

from __future__ import annotations

from pathlib import Path

import click

from qcluster.cli.options import RunFlags, run_options, which_inventory


@click.command()
@click.argument("playbook", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@which_inventory
@run_options
def run(playbook: Path, inventory_option: str | None, flags: RunFlags) -> int:
    """Run PLAYBOOK: Ansible's words with Ansible's meaning; a word that is not known is an error.

    \b
    qcluster run site.yml -i hosts.yaml --check --diff
    qcluster run site.yml --limit 'web:!web3' --tags config -e version=2
    """
    from qcluster.cli import session

    choice = session.Choice(None, inventory_option, flags.vault_password_file, flags.extra_vars, playbook.parent)
    if flags.list_hosts or flags.list_tasks or flags.list_tags or flags.syntax_check:
        return _listing(playbook, choice, flags)
    with session.opened(choice, flags, planned=False) as opened:
        return session.run_playbook(opened, "run", playbook, flags)


def _listing(playbook: Path, choice: object, flags: RunFlags) -> int:
    """What --list-hosts, --list-tasks, --list-tags and --syntax-check print; no host is touched."""
    from qcluster.cli import session
    from qcluster.cli.hidden import vault_of
    from qcluster.engine import listing

    _, inventory = session.load_inventory(choice)  # type: ignore[arg-type]
    book = session.load_playbook(playbook, vault_of(flags.vault_password_file))
    wanted = listing.Wanted(flags.list_hosts, flags.list_tasks, flags.list_tags, flags.tags, flags.skip_tags)
    for line in listing.lines(book, inventory, flags.limit, flags.extra_vars, wanted):
        click.echo(line)
    return 0
