"""`qcluster plan`: every process of a deployment, in several forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
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
@click.option("--json", is_flag=True, help="The stable JSON form.")
@click.option("--yaml", is_flag=True, help="The same as YAML.")
@click.option("--ports", is_flag=True, help="All ports of every host, with their owners.")
@click.option("--explain", is_flag=True, help="Where each flag and variable comes from.")
@click.option("--notes", is_flag=True, help="Departures from the seed document, with reasons.")
@click.option("-v", "--verbose", is_flag=True, help="Each process with its command line and variables.")
@click.option("--bash", "folder", type=click.Path(path_type=Path), help="Write the scripts that a person would run.")
@click.option("--svg", "picture", type=click.Path(path_type=Path), help="Draw hosts, NPUs and links.")
@click.option("--diff", "diff", is_flag=True, help="Compare with the running cluster.")
@click.option("--resolve", is_flag=True, help="Ask the hosts for what only they know.")
@click.option("--no-lint", is_flag=True, help="Do not let lint rules refuse the plan.")
@click.option("-e", "--extra-vars", "extra", multiple=True, metavar="K=V|JSON|@FILE", help="Variables that win.")
def plan(
    inventory_path: str | None,
    inventory_option: str | None,
    folder: Path | None,
    picture: Path | None,
    **rest: Any,
) -> int:
    """Show every process a deployment will have, before any host is touched."""
    choice = Choice(inventory_path, inventory_option, extra_vars=parse_extra(rest["extra"]))
    form = _form(rest)
    if rest["diff"]:
        return _diff(choice, form == "json", not rest["no_lint"])
    made = _made(choice, rest["resolve"], not rest["no_lint"])
    if folder:
        _write_scripts(made, folder)
        _tell_of_keys(choice)
    if picture:
        from qcluster.serving.picture import svg

        write(picture, svg(made))
        click.echo(f"wrote {picture}", err=True)
    if form or not (folder or picture):
        click.echo(_FORMS[form or "table"](made))
    return 0


def _form(given: Mapping[str, bool]) -> str | None:
    """The one form asked for; with `--diff` only JSON is another."""
    asked = [name for name in _FORMS if given.get(name)]
    also = ["diff"] if given["diff"] and asked != ["json"] else []
    if len(asked) + len(also) > 1:
        raise click.UsageError(f"{' and '.join(f'--{name}' for name in (*asked, *also))} are different forms: take one")
    return asked[0] if asked else None


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
    from qcluster.cli.differences import compare
    from qcluster.serving import make_plan

    with opened(choice, RunFlags(), planned=lint) as session:
        return compare(session.plan or make_plan(session.inventory, lint=False), session.fleet, as_json)


def _write_scripts(made: Plan, folder: Path) -> None:
    from qcluster.serving.scripts import scripts

    for name, text in scripts(made).items():
        write(folder / name, text, 0o755)
        click.echo(f"wrote {folder / name}", err=True)


def _tell_of_keys(choice: Choice) -> None:
    """Scripts hold no secret; without one they start a service that is open to everybody."""
    _path, inventory = load_inventory(choice)
    if any(host.variables.get("api_key") for host in inventory.hosts.values()):
        what = "the scripts do not hold the inventory's api_key: export it before they run, as VLLM_API_KEY for engines"
        click.echo(
            f"warning: {what} and as OPENAI_API_KEY for the proxy, or the service is open to everybody", err=True
        )


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
    "verbose": _text("details"),
    "json": _json,
    "yaml": _yaml,
    "ports": _text("ports"),
    "explain": _text("explanation"),
    "notes": _text("notes"),
}
