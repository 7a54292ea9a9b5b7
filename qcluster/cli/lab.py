"""`qcluster lab`: simulated Ascend hosts. Also the one place where the rest of the product meets the lab."""

from __future__ import annotations

import os
from pathlib import Path

import click

from qcluster.errors import InputError
from qcluster.inventory.model import Inventory
from qcluster.lab import boot
from qcluster.lab.layout import Lab, load
from qcluster.lab.variables import connected, deployment, lab_hosts

DIRECTORY = "QCLUSTER_LAB_DIR"
HOME = Path(".qcluster") / "lab"


def ensure_lab(inventory: Inventory) -> Inventory:
    """Boot or reuse the lab of `inventory`; the inventory with real connection variables. Without lab hosts: itself."""
    hosts = lab_hosts(inventory)
    if not hosts:
        return inventory
    return connected(inventory, boot.ensure(lab_directory(inventory), hosts))


def lab_directory(inventory: Inventory) -> Path:
    """`$QCLUSTER_LAB_DIR`, else `.qcluster/lab/<deployment>/` here."""
    chosen = os.environ.get(DIRECTORY)
    return Path(chosen).absolute() if chosen else Path.cwd() / HOME / deployment(inventory)


def _read(path: Path) -> Inventory:
    from qcluster.inventory import load as load_inventory

    return load_inventory(path)


def _meant(inventory: Path | None) -> Path | None:
    """The inventory named here, by $QCLUSTER_INVENTORY, or used last from here: where it has lab hosts."""
    from qcluster.inventory import choose

    named = inventory or os.environ.get(choose.VARIABLE) or choose.recall(Path.cwd())
    if named is None:
        return None
    found = choose.find(str(named), None, {}, Path.cwd())
    return found if inventory or lab_hosts(_read(found)) else None


def _directory(inventory: Path | None) -> Path:
    """The lab that is meant: by inventory, by environment, or the only one here."""
    if inventory is None and os.environ.get(DIRECTORY):
        return Path(os.environ[DIRECTORY]).absolute()
    meant = _meant(inventory)
    if meant is not None:
        return lab_directory(_read(meant))
    found = sorted(path.parent for path in (Path.cwd() / HOME).glob("*/lab.json"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found) or "none here"
    raise InputError(f"which lab? Name its inventory, or set {DIRECTORY} (labs: {names})")


@click.group()
def lab() -> None:
    """Simulated Ascend hosts behind a real SSH protocol."""


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@lab.command()
@click.argument("inventory", type=_FILE)
def start(inventory: Path) -> None:
    """Boot the lab hosts of INVENTORY, or reuse those that run."""
    read = _read(inventory)
    hosts = lab_hosts(read)
    if not hosts:
        raise InputError(f"{inventory} has no host with ansible_connection: lab")
    _show(boot.ensure(lab_directory(read), hosts))


@lab.command()
@click.argument("inventory", type=_FILE, required=False)
def status(inventory: Path | None) -> None:
    """Say whether the lab runs and how to reach its hosts. Exit 1 when it does not run."""
    found = load(_directory(inventory))
    if not boot.alive(found):
        click.echo(f"stopped: {found.directory}")
        raise SystemExit(1)
    _show(found)


@lab.command()
@click.argument("inventory", type=_FILE, required=False)
def stop(inventory: Path | None) -> None:
    """End the lab and everything that runs on its hosts."""
    directory = _directory(inventory)
    click.echo(f"{'stopped' if boot.stop(directory) else 'was not running'}: {directory}")


@lab.command()
@click.argument("name", required=False)
@click.argument("words", nargs=-1)
@click.option("-i", "--inventory", type=_FILE, help="The lab of this inventory [as for other commands].")
@click.option("--clear", is_flag=True, help="Mend everything, or what NAME and WORDS say.")
@click.option("--list", "catalogue", is_flag=True, help="Show every fault there is.")
def fault(name: str | None, words: tuple[str, ...], inventory: Path | None, clear: bool, catalogue: bool) -> None:
    """Break something: NAME with its host, NPU, pair or instance. Without NAME: what is broken now."""
    from qcluster.lab import faults

    if catalogue:
        for known, row in faults.FAULTS.items():
            click.echo(f"{known:18} {row.form:7} {row.what}{f' [{row.value}]' if row.value else ''}")
        return
    directory = _directory(inventory)
    words = _places(inventory, directory, words)
    if clear:
        click.echo(f"{faults.clear(directory, name or '', words)} mended")
        boot.obeyed(load(directory))
    elif name:
        click.echo(faults.put(directory, name, words))
        boot.obeyed(load(directory))
    else:
        for kind, key, value in faults.active(directory):
            click.echo(f"{kind} {key} {value}".rstrip())


def _places(inventory: Path | None, directory: Path, words: tuple[str, ...]) -> tuple[str, ...]:
    """The words with an instance's name put as HOST:PORT."""
    meant = _meant(inventory)
    if not words or meant is None or words[0] in load(directory).hosts or ":" in words[0]:
        return words
    from qcluster.serving import make_plan

    plan = make_plan(connected(_read(meant), load(directory)))
    places = {one.name: f"{one.host}:{one.port}" for one in plan.instances}
    return (places.get(words[0], words[0]), *words[1:])


def _show(found: Lab) -> None:
    click.echo(f"simulation in {found.directory}")
    for host in found.hosts.values():
        click.echo(f"  {host.name}  {host.address}:{found.port}  {host.hardware}  {len(host.npus)} NPUs")
