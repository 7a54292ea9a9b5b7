"""What the Tab key offers for an argument: names that only the inventory, the journal or the tables know."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from qcluster.cli.kept import RESULTS, RUNS
from qcluster.errors import QclusterError

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def instances(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Instances of the plan, and the proxy."""
    return _matching(begun, lambda: [*_instances(_inventory(context)), "proxy"])


def movable(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """What `restart` takes: instances, the proxy, hosts, groups."""
    return _matching(begun, lambda: [*_instances(_inventory(context)), "proxy", *_hosts(_inventory(context))])


def hosts(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Hosts and groups. Of a pattern such as `prefill:&p` the last part is completed."""
    cut = max(begun.rfind(mark) for mark in ":,&!") + 1
    found = _matching(begun[cut:], lambda: _hosts(_inventory(context)))
    return [begun[:cut] + name for name in found]


def rules(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Ids of the lint rules."""
    from qcluster.serving.lint.check import RULES

    return _matching(begun, lambda: [rule.id for rule in RULES])


def runs(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Journals in this directory, the newest first."""
    return _matching(begun, lambda: ["last", *sorted((one.name for one in RUNS.iterdir()), reverse=True)])


def results(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """What `bench` and `eval` have stored, the newest first."""
    return _matching(begun, lambda: ["last", *sorted((one.name for one in RESULTS.iterdir()), reverse=True)])


def _matching(begun: str, names: Callable[[], Iterable[str]]) -> list[str]:
    """Those that go on from `begun`. A completion never prints an error: the command itself will."""
    try:
        return [name for name in dict.fromkeys(names()) if name.startswith(begun)]
    except (QclusterError, OSError):
        return []


def _inventory(context: click.Context) -> Path:
    from qcluster.inventory import choose

    given = context.params
    return choose.find(given.get("inventory_path"), given.get("inventory_option"), os.environ, Path.cwd())


def _hosts(path: Path) -> list[str]:
    from qcluster.inventory import load

    inventory = load(path)
    return [*inventory.hosts, *inventory.groups]


def _instances(path: Path) -> list[str]:
    from qcluster.inventory import load
    from qcluster.serving import make_plan

    return [instance.name for instance in make_plan(load(path)).instances]
