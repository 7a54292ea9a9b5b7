"""`qcluster completion SHELL`: what a shell needs to complete this command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL: commands, options, and the names of the inventory last used.

    \b
    bash  qcluster completion bash > ~/.local/share/bash-completion/completions/qcluster
    zsh   qcluster completion zsh > "${fpath[1]}/_qcluster"
    fish  qcluster completion fish > ~/.config/fish/completions/qcluster.fish
    """
    from qcluster.cli import cli

    found = get_completion_class(shell)
    assert found is not None, "click knows the three shells of the choice"
    click.echo(found(cli, {}, "qcluster", "_QCLUSTER_COMPLETE").source())
