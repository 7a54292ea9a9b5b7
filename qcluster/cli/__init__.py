"""The command line: parse, wire, exit code. A command's module is imported only when that command is used."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from qcluster import __version__
from qcluster.cli.table import COMMANDS
from qcluster.errors import QclusterError
from qcluster.spelling import nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A group whose commands live in `COMMANDS`: name → (module, help). `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        loaded = getattr(import_module(f"qcluster.cli.{COMMANDS[name].module}"), COMMANDS[name].attribute)
        assert isinstance(loaded, click.Command)
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = nearest(args[0], COMMANDS)
            hint = f" Did you mean {near}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands from the table, options from click; as `--help`, it imports no command."""
        from click.shell_completion import CompletionItem

        named = [
            CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qcluster")
def cli() -> None:
    """Serve Qwen on Ascend NPUs over plain SSH: check, plan, start, watch, prove.

    \b
    qcluster up inventories/1p1d.yaml     bring the cluster up and prove that it serves
    qcluster verify-network               which NPU cannot reach which, and why
    qcluster down                         stop what this tool started, nothing else
    """


def _let_go() -> None:
    """Where nobody reads the output any more, the interpreter's last flush must not complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


FEW_COLLECTIONS = (50_000, 20, 20)
"""Objects that live as long as the program are most of what there is: looking for cycles among them costs 30 ms."""


def main() -> None:
    """Run the command line; every expected error becomes one message and its exit code."""
    gc.set_threshold(*FEW_COLLECTIONS)
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        click.echo("Aborted.", err=True)
        code = 130
    except QclusterError as error:
        click.echo(f"qcluster: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        code = 0
    _let_go()
    gc.freeze()  # nothing is left to be found by the interpreter's last collections
    sys.exit(code if isinstance(code, int) else 0)
