"""`qcluster lab`: simulated Ascend hosts. Also the one place where the rest of the product meets the lab."""

from __future__ import annotations

import os
from pathlib import Path

import click

from qcluster.inventory.model import Inventory
from qcluster.lab import boot
from qcluster.lab.layout import Lab, load
from qcluster.lab.variables import connected, deployment, lab_hosts

DIRECTORY = "QCLUSTER_LAB_DIR"


def ensure_lab(inventory: Inventory) -> Inventory:
    """Boot or reuse the lab of `inventory`; the inventory with real connection variables. Without lab hosts: itself."""
    hosts = lab_hosts(inventory)
    if not hosts:
        return inventory
    return connected(inventory, boot.ensure(lab_directory(inventory), hosts))


def lab_directory(inventory: Inventory) -> Path:
    """`$QCLUSTER_LAB_DIR`, else `.qcluster/lab/<deployment>/` here."""
    chosen = os.environ.get(DIRECTORY)
    return Path(chosen).absolute() if chosen else Path.cwd() / ".qcluster" / "lab" / deployment(inventory)


def _inventory(path: Path) -> Inventory:
    from qcluster.inventory import load as load_inventory

    return load_inventory(path)


@click.group()
def lab() -> None:
    """Simulated Ascend hosts behind a real SSH protocol."""


_INVENTORY = click.argument("inventory", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@lab.command()
@_INVENTORY
def start(inventory: Path) -> None:
    """Boot the lab hosts of INVENTORY, or reuse those that run."""
    read = _inventory(inventory)
    hosts = lab_hosts(read)
    if not hosts:
        raise click.UsageError(f"{inventory} has no host with ansible_connection: lab")
    _show(boot.ensure(lab_directory(read), hosts))


@lab.command()
@_INVENTORY
def status(inventory: Path) -> None:
    """Say whether the lab runs and how to reach its hosts."""
    found = load(lab_directory(_inventory(inventory)))
    if not boot.alive(found):
        click.echo(f"stopped: {found.directory}")
        raise SystemExit(1)
    _show(found)


@lab.command()
@_INVENTORY
def stop(inventory: Path) -> None:
    """End the lab and everything that runs on its hosts."""
    directory = lab_directory(_inventory(inventory))
    click.echo(f"{'stopped' if boot.stop(directory) else 'was not running'}: {directory}")


def _show(found: Lab) -> None:
    click.echo(f"simulation in {found.directory}")
    for host in found.hosts.values():
        click.echo(f"  {host.name}  {host.address}:{found.port}  {host.hardware}  {len(host.npus)} NPUs")
