"""`qcluster export`: the plan in other tools' words."""

from __future__ import annotations

import json
from pathlib import Path

import click

from qcluster.cli.options import inventory_options
from qcluster.cli.session import Choice, load_inventory
from qcluster.cli.writing import write
from qcluster.errors import InputError
from qcluster.serving.plan import Plan


@click.group()
def export() -> None:
    """Prometheus targets, a Grafana dashboard, systemd units, Kubernetes manifests, a static Ansible inventory."""


def _plan(inventory_path: str | None, inventory_option: str | None) -> Plan:
    from qcluster.serving import make_plan

    return make_plan(load_inventory(Choice(inventory_path, inventory_option))[1])


def _bound(inventory_path: str | None, inventory_option: str | None, resolve: bool) -> Plan:
    """A plan without open facts: a unit or manifest that holds one would not run."""
    if resolve:
        from qcluster.cli.plan import resolved

        return resolved(Choice(inventory_path, inventory_option), lint=True)
    plan = _plan(inventory_path, inventory_option)
    if plan.facts:
        raise InputError(f"only the hosts know: {', '.join(plan.facts)}; ask them with --resolve")
    return plan


_ON_EACH_HOST = """next, where image and weights are in place (qcluster up, then down): on each host as root, in its
folder of {into}: cp *.service /etc/systemd/system/ && systemctl daemon-reload && systemctl enable --now *.service"""
_RESOLVE = click.option("--resolve", is_flag=True, help="Ask the hosts for what only they know.")


@export.command()
@inventory_options
def prometheus(inventory_path: str | None, inventory_option: str | None) -> None:
    """Targets for `file_sd_configs`, as JSON."""
    from qcluster.export.prometheus import targets

    click.echo(json.dumps(targets(_plan(inventory_path, inventory_option)), indent=2, ensure_ascii=False))


@export.command()
@inventory_options
@_RESOLVE
def k8s(inventory_path: str | None, inventory_option: str | None, resolve: bool) -> None:
    """LeaderWorkerSet manifests, as one YAML stream."""
    from qcluster.export.kubernetes import as_yaml, manifests

    click.echo(as_yaml(manifests(_bound(inventory_path, inventory_option, resolve))), nl=False)


@export.command()
def grafana() -> None:
    """A dashboard over vLLM's metrics, to import into Grafana."""
    from qcluster.export.grafana import dashboard

    click.echo(json.dumps(dashboard(), indent=2))


@export.command()
@inventory_options
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path("systemd"), help="[systemd/]")
@_RESOLVE
def systemd(inventory_path: str | None, inventory_option: str | None, into: Path, resolve: bool) -> None:
    """One unit an instance, in a folder a host."""
    from qcluster.export.systemd import units

    for name, text in units(_bound(inventory_path, inventory_option, resolve)).items():
        path = into / name
        write(path, text)
        click.echo(path)
    click.echo(_ON_EACH_HOST.format(into=into), err=True)


@export.command()
@inventory_options
def ansible(inventory_path: str | None, inventory_option: str | None) -> None:
    """A static YAML inventory: every range spelled out, every variable at its host."""
    from qcluster.inventory.written import text

    _, loaded = load_inventory(Choice(inventory_path, inventory_option))
    hosts = {name: host.variables for name, host in loaded.hosts.items()}
    children = {
        name: {"hosts": dict.fromkeys(group.hosts, None)}
        for name, group in loaded.groups.items()
        if name not in ("all", "ungrouped") and group.hosts
    }
    click.echo(text({"all": {"hosts": hosts, "children": children}}), nl=False)
