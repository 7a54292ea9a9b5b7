"""`qcluster restart`: instances one after another, without losing requests."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from qcluster.cli import complete
from qcluster.cli.api_key import api_key_option, keyed
from qcluster.cli.consent import agree, untold
from qcluster.cli.locks import unlocking
from qcluster.cli.options import RunFlags, run_options, which_inventory
from qcluster.cli.session import Choice, opened, run_playbook
from qcluster.cli.shipped import playbook
from qcluster.cli.status import survey
from qcluster.errors import InputError
from qcluster.report.status import Row
from qcluster.serving.plan import Instance, Plan

PROXY = "proxy"
"""What the proxy is called beside the names of instances."""


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=complete.movable)
@which_inventory
@click.option("-y", "--yes", is_flag=True, help="Do not ask where a role has no other instance.")
@api_key_option
@run_options
def restart(names: tuple[str, ...], inventory_option: str | None, yes: bool, api_key: str, flags: RunFlags) -> int:
    """Restart the instances, groups, hosts or roles called NAME. The proxy sends nothing to what restarts.

    `proxy` is the proxy itself: what it forwards meanwhile fails.
    """
    choice = Choice(None, inventory_option, flags.vault_password_file, flags.extra_vars)
    with opened(choice, flags) as session, unlocking(session, "restart"):
        assert session.plan is not None
        _check(session.plan, names)
        rows = survey(session)
        _see_it_run(session.plan, rows)
        price = _price(session.plan, names, {row.instance for row in rows if not row.serves})
        if price and not yes and not flags.check:
            agree(price)
        extra = {"restart_names": list(names), "qcluster_yes": yes, **keyed(api_key)}
        return run_playbook(session, "restart", playbook("restart", Path.cwd()), flags, extra_vars=extra)


def _check(plan: Plan, names: tuple[str, ...]) -> None:
    known = {word for one in plan.instances for word in _words(one)} | ({PROXY} if plan.proxy else set())
    unknown = [name for name in names if name not in known]
    if unknown:
        there = ", ".join([*(one.name for one in plan.instances), *([PROXY] if plan.proxy else [])])
        raise InputError(f"no instance, group, host or role is called {', '.join(unknown)}; there are {there}")


def _see_it_run(plan: Plan, rows: list[Row]) -> None:
    """A deployment of which nothing runs is not restarted: its hosts were not prepared for a start."""
    if not any(row.state in ("running", "unreachable") for row in rows if row.role != "proxy"):
        raise InputError(f"nothing of {plan.deployment} runs: start it with `qcluster up`")


def _price(plan: Plan, names: tuple[str, ...], sick: Collection[str]) -> str:
    """What clients will notice; empty where nothing."""
    if PROXY in names and PROXY not in sick:
        return "every request goes through the proxy: those that run are cut off, new ones fail until it is back"
    if set(names) == {PROXY}:
        return ""
    alone = interrupted(plan, names, sick)
    if alone:
        return f"no other {' and no other '.join(alone)} instance serves: requests fail until these are back"
    if plan.proxy is None and not {one.name for one in plan.instances if _words(one) & set(names)} <= set(sick):
        return "without a proxy each instance is a service of its own: its requests fail until it is back"
    return untold(plan.proxy)


def interrupted(plan: Plan, names: tuple[str, ...], sick: Collection[str] = ()) -> list[str]:
    """Roles that nobody serves while one of the named is down: no other replica (or MoE group) is there and healthy.

    A role is not interrupted by the restart of what is `sick` already.
    """
    units: dict[str, list[Instance]] = {}
    for one in plan.instances:
        units.setdefault(one.group if plan.model.moe else one.name, []).append(one)
    serving = [members for members in units.values() if not {one.name for one in members} & set(sick)]
    moved = {members[0].name: members for members in serving if any(_words(one) & set(names) for one in members)}
    roles = {members[0].role for members in moved.values()}
    count = {role: sum(members[0].role == role for members in serving) for role in roles}
    return sorted(role for role in roles if count[role] == 1)


def _words(one: Instance) -> set[str]:
    return {one.name, one.group, one.host, one.role}
