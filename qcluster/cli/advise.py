"""`qcluster advise`: a proposal for dp and tp, with the arithmetic."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.option("--model", default="Qwen3.5-27B-w8a8", show_default=True, help="A model that has a recipe.")
@click.option("--hardware", default="a3", show_default=True, help="a2, a3, …")
@click.option("--npus", type=click.IntRange(min=1), default=None, help="NPUs of one host [all].")
@click.option("--concurrency", type=click.IntRange(min=1), default=64, show_default=True, help="Requests at once.")
@click.option("--context", type=click.IntRange(min=1), default=32768, show_default=True, help="Tokens of a request.")
def advise(model: str, hardware: str, npus: int | None, concurrency: int, context: int) -> int:
    """Propose a preset or dp and tp for a model, as large as needed and no larger."""
    from qcluster.serving import sizing

    (recipe, variant), machine = _known(model, hardware)
    wish = sizing.Wish(npus or machine.npus, concurrency, context)
    found = sizing.advise(recipe, variant, machine, wish)
    click.echo("\n".join(sizing.reasons(recipe, variant, machine, wish, found)))
    if recipe.max_model_len and context > recipe.max_model_len:
        click.echo(f"\n{model} holds at most {recipe.max_model_len} tokens.")
        return 2
    if not found.fits:
        click.echo(f"\n{model} does not fit on {wish.npus} NPUs of {machine.title} with {context} tokens a request.")
        return 2
    click.echo(f"\n{_proposal(found, hardware, model)}")
    return 0


def _known(model: str, hardware: str) -> Any:
    from qcluster.errors import InputError
    from qcluster.schema import did_you_mean
    from qcluster.serving import catalogue

    if model not in catalogue.models():
        raise InputError(f"there is no recipe for {model!r}; {did_you_mean(model, catalogue.models())}")
    if hardware not in catalogue.hardware():
        raise InputError(f"there is no hardware {hardware!r}; known: {', '.join(catalogue.hardware())}")
    return catalogue.models()[model], catalogue.hardware()[hardware]


def _proposal(found: Any, hardware: str, model: str) -> str:
    lines = [f"model: {model}", f"hardware: {hardware}"]
    lines += [f"preset: {found.preset}"] if found.preset else []
    lines += [f"tp: {found.tp}", f"dp: {found.dp}"]
    if found.hosts > 1:
        note = f"# on each of {found.hosts} standalone hosts, or prefill and decode separated over that many"
        return "\n".join([note, *lines])
    return "\n".join(["# one standalone host", *lines])
