"""`qcluster inventory`: the hosts and groups of an inventory, and where each variable comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import click

from qcluster.cli import complete
from qcluster.cli.options import inventory_options
from qcluster.cli.session import Choice, load_inventory
from qcluster.errors import InputError
from qcluster.inventory import Host, Inventory, patterns, show
from qcluster.schema import did_you_mean

_VAULT = click.option("--vault-password-file", "vault", default="", metavar="FILE", help="Password of !vault values.")


@click.group()
def inventory() -> None:
    """List hosts; explain where a variable comes from."""


@inventory.command("list")
@inventory_options
@click.option("-l", "--limit", default="", metavar="PATTERN", help="Only these hosts.")
@click.option("--json", "json_", is_flag=True, help="What `ansible-inventory --list` prints.")
@_VAULT
def list_(inventory_path: str | None, inventory_option: str | None, limit: str, json_: bool, vault: str) -> None:
    """The hosts: groups, address, user."""
    _, loaded = load_inventory(Choice(inventory_path, inventory_option, vault))
    names = patterns.select(loaded, "all", limit)
    if json_:
        click.echo(json.dumps(show.as_json(loaded, names), sort_keys=True, indent=4, default=str))
        return
    rows = [_row(loaded.hosts[name]) for name in names]
    _echo_table([("HOST", "ADDRESS", "USER", "GROUPS"), *rows])


def _row(host: Host) -> tuple[str, ...]:
    address, port, user = (_rendered(host, f"ansible_{name}") for name in ("host", "port", "user"))
    address = str(address or host.name)
    return host.name, f"{address}:{port}" if port else address, str(user or "-"), " ".join(host.groups) or "-"


def _echo_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@inventory.command("show")
@click.argument("host", shell_complete=complete.hosts)
@inventory_options
@click.option("--explain", is_flag=True, help="Every place that gives each variable, the winner first.")
@click.option("--json", "json_", is_flag=True, help="As JSON, templates rendered.")
@_VAULT
def show_(
    host: str, inventory_path: str | None, inventory_option: str | None, explain: bool, json_: bool, vault: str
) -> None:
    """One host's variables, rendered; with --explain, where each comes from."""
    _, loaded = load_inventory(Choice(inventory_path, inventory_option, vault))
    found = _host(loaded, host)
    if explain:
        _echo_lines(_explained(found))
    elif json_:
        document = {name: show.plain(_rendered(found, name), name) for name in sorted(found.variables)}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))
    else:
        _echo_lines(f"{name}: {show.short(_rendered(found, name), name)}" for name in sorted(found.variables))


def _host(loaded: Inventory, name: str) -> Host:
    if name not in loaded.hosts:
        near = did_you_mean(name, loaded.hosts)
        raise InputError(f"{loaded.path}: there is no host {name!r}" + (f" ({near})" if near else ""))
    return loaded.hosts[name]


def _rendered(host: Host, name: str) -> Any:
    """The value with its templates rendered; as written where that needs what only a run has."""
    from qcluster.templating import Templar, TemplateError

    value = host.variables.get(name)
    try:
        return Templar({**host.variables, "inventory_hostname": host.name}).render(value)
    except TemplateError:
        return value


def _explained(host: Host) -> Iterator[str]:
    for name in sorted(host.variables):
        final = show.short(_rendered(host, name), name)
        for index, (value, level, place) in enumerate(show.origins(host, name)):
            rendered = f" = {final}" if index == 0 and value != final else ""
            yield f"{name}: {value}{rendered}" if index == 0 else f"    was {value}"
            yield f"    {'from' if index == 0 else 'in  '} {level}, {place}"


def _echo_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


@inventory.command("graph")
@inventory_options
@click.option("-g", "--group", default="all", metavar="GROUP", help="Begin at this group [all].")
@click.option("--vars", "with_variables", is_flag=True, help="Variables too.")
@_VAULT
def graph(
    inventory_path: str | None, inventory_option: str | None, group: str, with_variables: bool, vault: str
) -> None:
    """The tree of groups and hosts."""
    _, loaded = load_inventory(Choice(inventory_path, inventory_option, vault))
    if group not in loaded.groups:
        near = did_you_mean(group, loaded.groups)
        raise InputError(f"{loaded.path}: there is no group {group!r}" + (f" ({near})" if near else ""))
    _echo_lines(show.graph(loaded, group, with_variables))


@inventory.command("variables")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def variables(names: tuple[str, ...]) -> None:
    """The variables that this project knows, or those named: type, default, where it may differ, meaning."""
    from qcluster.inventory.reference import about
    from qcluster.inventory.settings import SETTINGS

    unknown = [name for name in names if name not in SETTINGS]
    if unknown:
        near = did_you_mean(unknown[0], SETTINGS)
        raise InputError(f"there is no variable {unknown[0]!r}" + (f" ({near})" if near else ""))
    _echo_lines(about(name) for name in names or SETTINGS)
