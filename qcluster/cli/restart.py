"""`qcluster restart`: instances one after another, without losing requests."""

from __future__ import annotations

from pathlib import Path

import click

from qcluster.cli import complete
from qcluster.cli.locks import unlocking
from qcluster.cli.options import RunFlags, run_options
from qcluster.cli.session import Choice, opened, run_playbook
from qcluster.cli.shipped import playbook
from qcluster.errors import InputError
from qcluster.serving.plan import Plan


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=complete.movable)
@click.option("-i", "--inventory", "inventory_option", default=None, metavar="PATH", help="The inventory.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask where a role has no other instance.")
@run_options
def restart(names: tuple[str, ...], inventory_option: str | None, yes: bool, flags: RunFlags) -> int:
    """Restart the instances, groups, hosts or roles called NAME. The proxy sends nothing to what restarts."""
    choice = Choice(None, inventory_option, flags.vault_password_file, flags.extra_vars)
    with opened(choice, flags) as session, unlocking(session, "restart"):
        assert session.plan is not None
        _check(session.plan, names)
        alone = interrupted(session.plan, names)
        if alone and not yes and not flags.check:
            click.confirm(
                f"no other instance serves {', '.join(alone)}: requests will fail meanwhile. Go on?",
                abort=True,
                err=True,
            )
        return run_playbook(
            session, "restart", playbook("restart", Path.cwd()), flags, extra_vars={"restart_names": list(names)}
        )


def _check(plan: Plan, names: tuple[str, ...]) -> None:
    known = {word for one in plan.instances for word in (one.name, one.group, one.host, one.role)}
    unknown = [name for name in names if name not in known]
    if unknown:
        there = ", ".join(one.name for one in plan.instances)
        raise InputError(f"no instance, group, host or role is called {', '.join(unknown)}; there are {there}")


def interrupted(plan: Plan, names: tuple[str, ...]) -> list[str]:
    """Roles that have nobody else while one of the named is down: a single replica, or a single MoE group."""
    roles = {one.role for one in plan.instances if {one.name, one.group, one.host, one.role} & set(names)}
    units = {
        role: {one.group if plan.model.moe else one.name for one in plan.instances if one.role == role}
        for role in roles
    }
    return sorted(role for role, found in units.items() if len(found) == 1)
