"""`qcluster export`: the plan in other tools' words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from qcluster.cli.options import inventory_options
from qcluster.cli.session import Choice, load_inventory
from qcluster.serving.plan import Plan


@click.group()
def export() -> None:
    """Prometheus targets, a Grafana dashboard, systemd units, Kubernetes manifests, a static Ansible inventory."""


def _plan(inventory_path: str | None, inventory_option: str | None) -> Plan:
    from qcluster.serving import make_plan

    return make_plan(load_inventory(Choice(inventory_path, inventory_option))[1])


def _command(name: str, help: str) -> Callable[[Callable[[Plan], str]], click.Command]:
    """A subcommand that prints one text made of the plan."""

    def decorate(make: Callable[[Plan], str]) -> click.Command:
        @export.command(name, help=help)
        @inventory_options
        def run(inventory_path: str | None, inventory_option: str | None) -> None:
            click.echo(make(_plan(inventory_path, inventory_option)).rstrip("\n"))

        return run

    return decorate


@_command("prometheus", "Targets for `file_sd_configs`, as JSON.")
def _prometheus(plan: Plan) -> str:
    from qcluster.export.prometheus import targets

    return json.dumps(targets(plan), indent=2, ensure_ascii=False)


@_command("k8s", "LeaderWorkerSet manifests, as one YAML stream.")
def _kubernetes(plan: Plan) -> str:
    from qcluster.export.kubernetes import as_yaml, manifests

    return as_yaml(manifests(plan))


@export.command()
def grafana() -> None:
    """A dashboard over vLLM's metrics, to import into Grafana."""
    from qcluster.export.grafana import dashboard

    click.echo(json.dumps(dashboard(), indent=2))


@export.command()
@inventory_options
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path("systemd"), help="[systemd/]")
def systemd(inventory_path: str | None, inventory_option: str | None, into: Path) -> None:
    """One unit an instance, in a folder a host."""
    from qcluster.export.systemd import units

    for name, text in units(_plan(inventory_path, inventory_option)).items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(path)


@export.command()
@inventory_options
def ansible(inventory_path: str | None, inventory_option: str | None) -> None:
    """A static YAML inventory: every range spelled out, every variable at its host."""
    import yaml

    from qcluster.report.serialise import plain

    _, loaded = load_inventory(Choice(inventory_path, inventory_option))
    hosts: dict[str, Any] = {name: plain(host.variables) for name, host in loaded.hosts.items()}
    children = {
        name: {"hosts": dict.fromkeys(group.hosts, None)}
        for name, group in loaded.groups.items()
        if name not in ("all", "ungrouped") and group.hosts
    }
    document = {"all": {"hosts": hosts, "children": children}}
    click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
