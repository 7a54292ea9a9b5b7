"""`qcluster rules`: the lint rules with their sources."""

from __future__ import annotations

import json

import click

from qcluster.cli import complete


@click.command()
@click.argument("rule", required=False, default="", shell_complete=complete.rules)
@click.option("--json", "as_json", is_flag=True, help="The rules as JSON.")
def rules(rule: str, as_json: bool) -> int:
    """List the lint rules with severity, source and an example; or show one."""
    from qcluster.errors import InputError
    from qcluster.serving.lint.check import RULES
    from qcluster.serving.show import columns

    chosen = [one for one in RULES if rule.upper() in ("", one.id)]
    if not chosen:
        raise InputError(f"there is no rule {rule}; `qcluster rules` lists them")
    if as_json:
        fields = ("id", "severity", "title", "source", "example")
        click.echo(json.dumps([{name: getattr(one, name) for name in fields} for one in chosen], indent=2))
        return 0
    rows = [(one.id, one.severity, one.title, one.source, one.example) for one in chosen]
    click.echo("\n".join(columns(("ID", "SEVERITY", "RULE", "SOURCE", "EXAMPLE"), rows)))
    return 0
