"""`qcluster recipes`: the models this tool knows."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import click


class Recipes(click.Group):
    """Knows what somebody means who names a model at once."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click's; for a word that is no command the hint to `show`."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            raise click.UsageError(f"no such command {args[0]!r}; to see one: qcluster recipes show {args[0]}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Recipes, invoke_without_command=True)
@click.pass_context
def recipes(context: click.Context) -> int:
    """List the models that have a recipe."""
    from qcluster.serving.catalogue import models
    from qcluster.serving.show import columns

    if context.invoked_subcommand is None:
        rows = [
            (name, recipe.shape, variant.weights, variant.since, ", ".join(recipe.presets) or "-")
            for name, (recipe, variant) in models().items()
        ]
        click.echo("\n".join(columns(("MODEL", "SHAPE", "WEIGHTS", "SINCE", "PRESETS"), rows)))
    return 0


@recipes.command()
@click.argument("name")
def show(name: str) -> int:
    """Print the recipe of a model or family, as it is written."""
    from qcluster.errors import InputError
    from qcluster.schema import did_you_mean
    from qcluster.serving import catalogue

    known = {**{model: recipe.family for model, (recipe, _) in catalogue.models().items()}}
    family = known.get(name, name)
    if family not in catalogue.recipes():
        raise InputError(f"there is no recipe for {name!r}; {did_you_mean(name, known) or 'see qcluster recipes'}")
    click.echo(files("qcluster.recipes").joinpath(f"{family}.yaml").read_text(encoding="utf-8").rstrip())
    return 0
