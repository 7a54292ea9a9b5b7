"""`qcluster scale`: hosts that an edited inventory has more or fewer of join or leave; what stays is not touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from qcluster.cli.api_key import api_key_option, keyed
from qcluster.cli.consent import agree
from qcluster.cli.kept import RUNS
from qcluster.cli.locks import unlocking
from qcluster.cli.options import RunFlags, inventory_options, run_options
from qcluster.cli.session import Choice, Session, opened, rewired, run_playbook
from qcluster.cli.shipped import playbook
from qcluster.cli.strays import strays
from qcluster.errors import EXIT_OK, InputError, was_interrupted
from qcluster.inventory.model import Group, Host, Inventory
from qcluster.report.status import compact
from qcluster.serving.digest import TOLD
from qcluster.serving.plan import HostPlan, Plan
from qcluster.serving.record import Member, Record


@click.command()
@inventory_options
@click.option("--skip-network", is_flag=True, help="Do not probe the NPU fabric first.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before hosts leave.")
@api_key_option
@run_options
def scale(
    inventory_path: str | None,
    inventory_option: str | None,
    skip_network: bool,
    yes: bool,
    api_key: str,
    flags: RunFlags,
) -> int:
    """Add the hosts that INVENTORY has more, and stop those that it has no longer. The others serve on.

    New instances are started, proven and given to the proxy; then those that leave finish their requests and stop.
    """
    if flags.limit:
        raise InputError("--limit: scale works on what differs; name the hosts in the inventory")
    choice = Choice(inventory_path, inventory_option, flags.vault_password_file, flags.extra_vars)
    with opened(choice, flags) as session, unlocking(session, "scale"):
        assert session.plan is not None
        move = _with_strays(session.plan, moves(session.plan, recorded(session)))
        if not (move.joining or move.leaving):
            click.echo(f"{session.plan.deployment}: no host joins or leaves", err=True)
            return EXIT_OK
        click.echo("\n".join(told(session.plan, move)), err=True)
        _agree(move, yes or flags.check)
        rewired(session, flags, with_groups(session.inventory, move))
        extra: dict[str, object] = {
            "qcluster_yes": True,
            **keyed(api_key),
            **({"skip_network": True} if skip_network else {}),
        }
        code = run_playbook(session, "scale", playbook("scale", Path.cwd()), flags, extra_vars=extra)
        if was_interrupted(code):
            click.echo(f"Detached: the same `qcluster scale {session.path}` goes on from where the hosts are", err=True)
        return code


@dataclass(frozen=True)
class Move:
    """Who joins and who leaves; `price` says what clients will notice of it, line by line."""

    joining: tuple[HostPlan, ...]
    leaving: tuple[Member, ...]
    price: tuple[str, ...] = ()


def _with_strays(plan: Plan, move: Move) -> Move:
    """And with whom only this directory's journal knows: no host of the plan ever heard of them."""
    known = {host.name for host in plan.hosts} | {one.name for one in move.leaving}
    others = tuple(one.member for one in strays(RUNS, plan.deployment, known) if not one.tried)
    return replace(move, leaving=(*move.leaving, *others), price=(*move.price, *_stops(others)))


def last_record(session: Session) -> Record | None:
    """The newest record that a host of the plan keeps."""
    from qcluster.modules.deployment_record import newest, records

    assert session.plan is not None
    homes = {host.name: host.state_dir for host in session.plan.hosts}
    return newest(records(homes, session.fleet, lambda error: click.echo(str(error), err=True)))


def recorded(session: Session) -> Record:
    """As `last_record`. Raises InputError where nothing is known to serve."""
    found = last_record(session)
    if found is None or not any(one.proven for one in found.members):
        what = session.plan.deployment if session.plan else "the deployment"
        raise InputError(f"no host says that {what} runs: start it with `qcluster up {session.path}`")
    return found


def moves(plan: Plan, record: Record) -> Move:
    """Raises InputError where more than the list of hosts differs from what runs."""
    known = {one.name: one for one in record.members if one.proven}
    wanted = {host.name: host for host in plan.hosts}
    changed = [name for name in wanted if name in known and known[name].digest != wanted[name].digest]
    if changed:
        raise InputError(_changed(plan, changed))
    if plan.model.moe and _regrouped(plan, record):
        raise InputError("the ranks of a MoE group are counted over all its hosts: `qcluster up` replaces the group")
    joining = tuple(host for host in plan.hosts if host.name not in known)
    leaving = tuple(one for one in record.members if one.name not in wanted)
    return Move(joining, leaving, tuple(_price(plan, record, leaving)) if joining or leaving else ())


def _changed(plan: Plan, names: Sequence[str]) -> str:
    what = f"{', '.join(names)}: another plan than the one that runs there (flags, release, NPUs or role)"
    moe = ". In a MoE group every rank counts all the others" if plan.model.moe else ""
    return f"{what}{moe}; scale only adds and removes hosts. `qcluster up` replaces what changed, host by host"


def _regrouped(plan: Plan, record: Record) -> bool:
    """Whether a host leaves a group of ranks that goes on."""
    wanted = {host.name for host in plan.hosts}
    left = {one["group"] for member in record.members if member.name not in wanted for one in member.instances}
    return bool(left & {one.group for one in plan.instances})


def _price(plan: Plan, record: Record, leaving: Sequence[Member]) -> list[str]:
    price = _stops(leaving)
    proxy = plan.proxy
    if proxy and record.proxy and proxy.host != record.proxy:
        where = f"http://{proxy.address}:{proxy.port}"
        price.append(f"the proxy moves from {record.proxy} to {proxy.host}: clients have to go to {where}")
    elif proxy and proxy.kind != TOLD:
        price.append(f"this proxy ({proxy.kind}) cannot be told of members: it starts again with the new list, and the")
        price[-1] += " requests that run then fail"
    return price


def _stops(leaving: Sequence[Member]) -> list[str]:
    return [
        f"{one.name} stops: {', '.join(each['name'] for each in one.instances)}" for one in leaving if one.instances
    ]


def told(plan: Plan, move: Move) -> list[str]:
    """For people: who joins, who leaves, how many stay."""
    joins = {host.name: [one.name for one in plan.instances if one.host == host.name] for host in move.joining}
    lines = [
        f"  joins   {host.name} ({'+'.join(host.roles)}): {', '.join(joins[host.name]) or 'the proxy'}"
        + (f", NPUs {compact(host.npus)}" if host.npus else "")
        for host in move.joining
    ]
    for one in move.leaving:
        names = ", ".join(each["name"] for each in one.instances) or "the proxy"
        lines.append(f"  leaves  {one.name} ({'+'.join(one.roles)}): {names}")
    staying = [host.name for host in plan.hosts if host not in move.joining]
    return [f"{plan.deployment}:", *lines, f"  stays   {', '.join(staying) or 'nobody'}"]


def _agree(move: Move, yes: bool) -> None:
    """Ask before anything that serves stops."""
    if move.price and not yes:
        agree("\n".join(move.price))


def with_groups(inventory: Inventory, move: Move) -> Inventory:
    """The inventory with the groups `joining` and `leaving`, and the hosts that left it reachable as they were."""
    shared = inventory.groups["all"].variables if "all" in inventory.groups else {}
    hosts = {**inventory.hosts, **{one.name: _leaver(inventory, one, shared) for one in move.leaving}}
    groups = {
        "joining": Group("joining", tuple(host.name for host in move.joining)),
        "leaving": Group("leaving", tuple(one.name for one in move.leaving)),
    }
    everybody = replace(inventory.groups["all"], hosts=tuple(hosts)) if "all" in inventory.groups else None
    more = {"all": everybody} if everybody else {}
    return replace(inventory, hosts=hosts, groups={**inventory.groups, **more, **groups})


def _leaver(inventory: Inventory, one: Member, shared: Mapping[str, Any]) -> Host:
    """A host that the inventory still has keeps its own words; of another the record knows the way, and what `all`
    says (such as a password) still holds."""
    known = inventory.hosts.get(one.name)
    base = known.variables if known else {**shared, **one.connection}
    part = {"state_dir": one.state_dir, "npus": list(one.npus), "instances": [dict(each) for each in one.instances]}
    host = known or Host(one.name, groups=("leaving",))
    return replace(host, variables={**base, "qcluster_leaving": part})
