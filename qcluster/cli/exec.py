"""`qcluster exec PATTERN -- CMD`: one command on many hosts, without a playbook."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from qcluster.cli import complete
from qcluster.cli.options import RunFlags, which_inventory
from qcluster.errors import InputError

if TYPE_CHECKING:
    from qcluster.cli.prefixed import Prefixed
    from qcluster.cli.session import Session
    from qcluster.report.serialise import Mask
    from qcluster.result import Outcome


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("pattern", shell_complete=complete.hosts)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@which_inventory
@click.option("-l", "--limit", default="", metavar="PATTERN", help="Only these of the hosts.")
@click.option("-f", "--forks", type=click.IntRange(min=0), default=0, help="Hosts at the same time [all].")
@click.option("-b", "--become", is_flag=True, help="Run as root through sudo.")
@click.option("-K", "--ask-become-pass", is_flag=True, help="Ask for the sudo password.")
@click.option("--timeout", type=float, default=None, metavar="SECONDS", help="End the command after this time.")
@click.option("--vault-password-file", default="", metavar="FILE", help="Password of !vault values.")
@click.option("-o", "--output", type=click.Choice(["human", "json"]), default="human", help="How it is shown.")
def exec_(pattern: str, command: tuple[str, ...], inventory_option: str | None, **options: Any) -> int:
    """Run one command on the hosts of PATTERN. Arguments arrive as given; for pipes say: -- sh -c '…'.

    Every line is shown with its host in front, as it comes; secrets of the inventory are masked in it.
    The exit code is the worst of all.
    """
    from qcluster.cli import session

    flags = RunFlags(limit=options["limit"], forks=options["forks"], ask_become_pass=options["ask_become_pass"])
    choice = session.Choice(None, inventory_option, options["vault_password_file"])
    with session.opened(choice, flags, planned=False) as opened:
        from qcluster.inventory.patterns import select

        hosts = select(opened.inventory, pattern, flags.limit)
        if not hosts:
            raise InputError(f"{pattern}: no host of {opened.path} is meant")
        _learn(opened)
        shown = _shown(hosts, opened.mask) if options["output"] == "human" else None
        outcomes = _run(opened.fleet, hosts, _command(command, options), shown, options["forks"])
    if options["output"] == "json":
        click.echo(json.dumps({host: opened.mask(_plain(outcome)) for host, outcome in outcomes.items()}, indent=2))
    return _exit_code(outcomes)


def _command(argv: tuple[str, ...], options: Mapping[str, Any]) -> Any:
    from qcluster.command import Become, Command

    return Command(argv, timeout=options["timeout"], become=Become() if options["become"] else None)


def _learn(opened: Session) -> None:
    """What must not be shown, as in a run. Output comes in lines: each line of a secret is one, too."""
    from qcluster.cli.hidden import secrets_known

    known = list(secrets_known(opened.inventory, {}))
    opened.mask.learn(*known, *(line for text in known for line in text.splitlines()))


def _shown(hosts: tuple[str, ...], mask: Mask) -> Prefixed:
    from qcluster.cli.prefixed import Prefixed

    return Prefixed(hosts, sys.stdout, sys.stderr, mask)


def _run(fleet: Any, hosts: tuple[str, ...], command: Any, shown: Prefixed | None, forks: int) -> dict[str, Any]:
    from functools import partial

    from qcluster.engine.crew import Crew

    crew = Crew(forks or max(1, len(hosts)))
    outcomes = crew.run((host, partial(_one, fleet, host, command, shown)) for host in hosts)
    crew.dismiss()
    return {host: outcomes[host] for host in hosts}


def _one(fleet: Any, host: str, command: Any, shown: Prefixed | None) -> Any:
    """The outcome on one host; an unreachable host is a value like any other."""
    from qcluster.errors import UnreachableError

    try:
        outcome = fleet[host].run(command, shown.sink(host) if shown else None)
    except UnreachableError as error:
        outcome = error
    if shown:
        shown.finish(host, outcome)
    return outcome


def _plain(outcome: Outcome | Exception) -> dict[str, Any]:
    from qcluster.errors import UnreachableError

    if isinstance(outcome, UnreachableError):
        return {"unreachable": str(outcome)}
    assert not isinstance(outcome, Exception)
    shown = {"exit": outcome.exit, "stdout": outcome.out, "stderr": outcome.err}
    return {**shown, "signal": outcome.signal, "elapsed": round(outcome.elapsed, 3)}


def _exit_code(outcomes: Mapping[str, Any]) -> int:
    """3: a host is unreachable; else the highest exit code of the command (a signal counts as 1)."""
    if any(isinstance(outcome, Exception) for outcome in outcomes.values()):
        return 3
    return max((abs(outcome.exit) for outcome in outcomes.values()), default=0)
