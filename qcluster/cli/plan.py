"""`qcluster plan`: every process of a deployment, in several forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qcluster.cli.options import RunFlags, inventory_options, parse_extra
from qcluster.cli.session import Choice, load_inventory, opened
from qcluster.cli.writing import write

if TYPE_CHECKING:
    from qcluster.serving.plan import Plan


@click.command()
@inventory_options
@click.option("--json", "form", flag_value="json", help="The stable JSON form.")
@click.option("--yaml", "form", flag_value="yaml", help="The same as YAML.")
@click.option("--ports", "form", flag_value="ports", help="All ports of every host, with their owners.")
@click.option("--explain", "form", flag_value="explain", help="Where each flag and variable comes from.")
@click.option("--notes", "form", flag_value="notes", help="Departures from the seed document, with reasons.")
@click.option("-v", "--verbose", "form", flag_value="details", help="Each process with its command line and variables.")
@click.option("--bash", "folder", type=click.Path(path_type=Path), help="Write the scripts that a person would run.")
@click.option("--svg", "picture", type=click.Path(path_type=Path), help="Draw hosts, NPUs and links.")
@click.option("--diff", "diff", is_flag=True, help="Compare with the running cluster.")
@click.option("--resolve", is_flag=True, help="Ask the hosts for what only they know.")
@click.option("--no-lint", is_flag=True, help="Do not let lint rules refuse the plan.")
@click.option("-e", "--extra-vars", "extra", multiple=True, metavar="K=V|JSON|@FILE", help="Variables that win.")
def plan(
    inventory_path: str | None,
    inventory_option: str | None,
    form: str | None,
    folder: Path | None,
    picture: Path | None,
    **rest: Any,
) -> int:
    """Show every process a deployment will have, before any host is touched."""
    choice = Choice(inventory_path, inventory_option, extra_vars=parse_extra(rest["extra"]))
    if rest["diff"]:
        return _diff(choice, form == "json", not rest["no_lint"])
    made = _made(choice, rest["resolve"], not rest["no_lint"])
    if folder:
        _write_scripts(made, folder)
    if picture:
        from qcluster.serving.picture import svg

        write(picture, svg(made))
        click.echo(f"wrote {picture}", err=True)
    if form or not (folder or picture):
        click.echo(_FORMS[form or "table"](made))
    return 0


def _made(choice: Choice, resolve: bool, lint: bool) -> Plan:
    from qcluster.cli.check import started
    from qcluster.serving.planner import judged

    if resolve:
        return resolved(choice, lint)
    _path, inventory = load_inventory(choice)
    made, findings = judged(inventory, lint, tuple(started()))
    for one in findings:
        if one.severity == "warning" and not one.ignored:
            click.echo(f"warning: {one}", err=True)
    return made


def resolved(choice: Choice, lint: bool) -> Plan:
    """The plan with the facts of every host put in; an unreachable host ends it."""
    from qcluster.serving import bind, make_plan

    with opened(choice, RunFlags(), planned=False) as session:
        unbound = make_plan(session.inventory, lint=lint)
        return bind(unbound, {host.name: _facts(session.fleet, host) for host in unbound.hosts})


def _facts(fleet: Any, host: Any) -> Any:
    from qcluster.facts.host import host_state
    from qcluster.modules.bind_plan import host_facts
    from qcluster.modules.host_facts import as_facts

    question = host_state(host.state_dir, host.weights_dir)
    state = question.parse(fleet[host.name].run(question.command))
    return host_facts(as_facts(state, host.address), host, strict=True)


def _diff(choice: Choice, as_json: bool, lint: bool) -> int:
    from dataclasses import asdict

    from qcluster.serving import make_plan, show

    with opened(choice, RunFlags(), planned=lint) as session:
        rows = _differences(session.plan or make_plan(session.inventory, lint=False), session.fleet)
    head = ("HOST", "CONTAINER", "STATE", "PLANNED", "RUNNING", "UP WOULD")
    cells = [(one.host, one.container, one.state, one.planned or "-", one.found or "-", one.action) for one in rows]
    document = [{**asdict(one), "action": one.action} for one in rows]
    click.echo(json.dumps(document, indent=2) if as_json else "\n".join(show.columns(head, cells)))
    return 3 if any(one.state == "unknown" for one in rows) else 0


def _differences(made: Plan, fleet: Any) -> list[Any]:
    from concurrent.futures import ThreadPoolExecutor

    from qcluster.errors import UnreachableError
    from qcluster.facts import docker
    from qcluster.serving.difference import Running, difference

    names = [host.name for host in made.hosts]  # the proxy's host is one of them
    question = docker.containers()

    def ask(name: str) -> list[Running] | UnreachableError:
        try:
            listed = question.parse(fleet[name].run(question.command))
        except UnreachableError as error:
            return error
        return [Running(name, one.name, one.deployment, one.digest, one.running) for one in listed]

    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        answers = dict(zip(names, pool.map(ask, names), strict=True))
    for answer in answers.values():
        if isinstance(answer, UnreachableError):
            click.echo(f"qcluster: {answer}", err=True)
    reached = [one for answer in answers.values() if isinstance(answer, list) for one in answer]
    return difference(made, reached, [name for name, answer in answers.items() if not isinstance(answer, list)])


def _write_scripts(made: Plan, folder: Path) -> None:
    from qcluster.serving.scripts import scripts

    for name, text in scripts(made).items():
        write(folder / name, text, 0o755)
        click.echo(f"wrote {folder / name}", err=True)


def _json(made: Plan) -> str:
    from qcluster.serving.plan import as_json

    return json.dumps(as_json(made), indent=2, ensure_ascii=False)


def _yaml(made: Plan) -> str:
    import yaml

    return str(yaml.safe_dump(json.loads(_json(made)), sort_keys=False, allow_unicode=True, width=120)).rstrip()


def _text(name: str) -> Callable[[Plan], str]:
    def shown(made: Plan) -> str:
        from qcluster.serving import show

        lines: Iterable[str] = getattr(show, name)(made)
        return "\n".join(lines).rstrip()

    return shown


_FORMS: dict[str, Callable[[Any], str]] = {
    "table": _text("summary"),
    "details": _text("details"),
    "json": _json,
    "yaml": _yaml,
    "ports": _text("ports"),
    "explain": _text("explanation"),
    "notes": _text("notes"),
}
