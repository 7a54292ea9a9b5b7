"""`qcluster plan --diff`: the plan against what runs, container by container and flag by flag."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from qcluster.errors import UnreachableError, UnreadableOutput
from qcluster.facts.fact import ask
from qcluster.inventory import folding
from qcluster.serving import show
from qcluster.serving.changes import Change, changes
from qcluster.serving.difference import CHANGED, UNKNOWN, Difference, Running, difference

if TYPE_CHECKING:
    from qcluster.serving.plan import HostPlan, Plan

HEAD = ("HOST", "CONTAINER", "STATE", "PLANNED", "RUNNING", "UP WOULD")
Changes = Mapping[str, Sequence[Change]]
"""By instance."""


def compare(made: Plan, fleet: Any, as_json: bool) -> int:
    """Print the differences; 3 where a host could not be asked."""
    rows = _containers(made, fleet)
    found = _changes(made, fleet, [one for one in rows if one.state == CHANGED])
    click.echo(_document(made, rows, found) if as_json else "\n".join((*_table(rows), *_told(found))))
    return UnreachableError.exit_code if any(one.state == UNKNOWN for one in rows) else 0


def _containers(made: Plan, fleet: Any) -> list[Difference]:
    """One question to each host, all at once; process groups of `container_runtime: host` count as containers."""
    with ThreadPoolExecutor(max_workers=len(made.hosts)) as pool:
        answers = list(pool.map(lambda host: _running(made, fleet, host), made.hosts))
    for problem in answers:
        if isinstance(problem, Exception):
            click.echo(f"qcluster: {problem}", err=True)
    reached = [one for answer in answers if not isinstance(answer, Exception) for one in answer]
    silent = [host.name for host, answer in zip(made.hosts, answers, strict=True) if isinstance(answer, Exception)]
    return difference(made, reached, silent)


def _running(made: Plan, fleet: Any, host: HostPlan) -> list[Running] | Exception:
    from qcluster.facts.host import host_state

    try:
        state = ask(fleet[host.name].run, host_state(host.state_dir, host.weights_dir))
    except (UnreachableError, UnreadableOutput) as error:
        return error
    if state.docker_problem and made.runtime != "host":
        return UnreadableOutput(f"{host.name}: docker does not answer", state.docker_problem)
    return [Running(host.name, one.name, one.deployment, one.digest, one.running) for one in state.containers]


def _changes(made: Plan, fleet: Any, rows: Sequence[Difference]) -> Changes:
    """What differs, of every instance in a container that has changed; nothing where its script is gone."""
    homes = {host.name: host.state_dir for host in made.hosts}
    with ThreadPoolExecutor(max_workers=max(1, len(rows))) as pool:
        scripts = list(pool.map(lambda one: _scripts(fleet, homes[one.host], one), rows))
    texts = {(one.host, name): text for one, found in zip(rows, scripts, strict=True) for name, text in found.items()}
    return {
        one.name: changes(one, texts[one.host, one.name]) for one in made.instances if (one.host, one.name) in texts
    }


def _scripts(fleet: Any, home: str, row: Difference) -> Mapping[str, str]:
    from qcluster.facts.launched import launched

    try:
        return ask(fleet[row.host].run, launched(home, row.container, row.found))
    except (UnreachableError, UnreadableOutput) as error:
        click.echo(f"qcluster: {row.host}: {error}", err=True)
        return {}


def _table(rows: Sequence[Difference]) -> list[str]:
    cells = [(one.host, one.container, one.state, one.planned or "-", one.found or "-", one.action) for one in rows]
    return show.columns(HEAD, cells)


def _told(found: Changes) -> Iterator[str]:
    """Each set of changes once, with all instances that have it."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, some in found.items():
        alike.setdefault(tuple(map(str, some)), []).append(name)
    for lines, names in alike.items():
        yield ""
        yield folding.told(names)
        yield from (f"  {line}" for line in lines or ("command and variables are the same: the image or its options",))


def _document(made: Plan, rows: Sequence[Difference], found: Changes) -> str:
    places = {one.name: (one.host, one.container) for one in made.instances}
    document = [
        {
            **asdict(row),
            "action": row.action,
            "changes": {
                name: [asdict(one) for one in some]
                for name, some in found.items()
                if places[name] == (row.host, row.container)
            },
        }
        for row in rows
    ]
    return json.dumps(document, indent=2, ensure_ascii=False)
