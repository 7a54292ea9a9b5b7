"""`qcluster advise`: a proposal for dp and tp, with the arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from qcluster.spelling import counted

if TYPE_CHECKING:
    from qcluster.serving.catalogue import Hardware, Recipe, Variant
    from qcluster.serving.sizing import Advice, Wish

EXPERTS = 0.95
"""How much of a MoE model's weights are experts where nobody says it: less than in those that are served today."""


@click.command()
@click.option(
    "--model", default="Qwen3.5-27B-w8a8", show_default=True, help="A model that has a recipe, or any hub id."
)
@click.option("--weights-gb", type=click.FloatRange(min=0, min_open=True), help="Weights of a model without a recipe.")
@click.option("--experts-gb", type=click.FloatRange(min=0), default=0, help="Of them the experts [moe: 95 %].")
@click.option("--kv-bytes", type=click.IntRange(min=1), help="Bytes of cache a token, of a model without a recipe.")
@click.option("--shape", type=click.Choice(["dense", "moe"]), default="dense", help="Of a model without a recipe.")
@click.option("--hardware", default="a3", show_default=True, help="a2, a3, …")
@click.option("--npus", type=click.IntRange(min=1), default=None, help="NPUs of one host [all].")
@click.option("--concurrency", type=click.IntRange(min=1), default=64, show_default=True, help="Requests at once.")
@click.option("--context", type=click.IntRange(min=1), default=32768, show_default=True, help="Tokens of a request.")
def advise(model: str, hardware: str, npus: int | None, concurrency: int, context: int, **sizes: Any) -> int:
    """Propose a preset or dp and tp for a model, as large as needed and no larger."""
    from qcluster.serving import sizing

    (recipe, variant), machine = _model(model, sizes), _machine(hardware)
    wish = sizing.Wish(_npus(npus, hardware, machine), concurrency, context)
    found = sizing.advise(recipe, variant, machine, wish)
    click.echo("\n".join(sizing.reasons(recipe, variant, machine, wish, found)))
    if recipe.max_model_len and context > recipe.max_model_len:
        click.echo(f"\n{model} holds at most {recipe.max_model_len} tokens.")
        return 2
    if not found.fits:
        on = f"{counted(wish.npus, 'NPU')} of {machine.title}"
        click.echo(f"\n{model} does not fit on {on} with {context} tokens a request.")
        return 2
    click.echo(f"\n{_proposal(found, wish, machine, recipe, variant)}")
    return 0


def _model(name: str, sizes: dict[str, Any]) -> tuple[Recipe, Variant]:
    """A recipe's model by its name; any other by its weights, as an inventory would define it."""
    from qcluster.errors import InputError
    from qcluster.schema import did_you_mean
    from qcluster.serving import catalogue
    from qcluster.serving.models import read_model

    known = catalogue.models()
    if name in known:
        return known[name]
    if not sizes["weights_gb"]:
        meant = did_you_mean(name, known) or f"known: {', '.join(known)} (qcluster recipes)"
        raise InputError(f"there is no recipe for {name!r}; {meant}; of any other model say --weights-gb and --shape")
    given = {"weights": name, "shape": sizes["shape"], "weights_gb": sizes["weights_gb"]}
    if sizes["shape"] == "moe":
        given["experts_gb"] = sizes["experts_gb"] or round(EXPERTS * sizes["weights_gb"], 1)
    return read_model(
        given | ({"kv_bytes_per_token": sizes["kv_bytes"]} if sizes["kv_bytes"] else {}), next(iter(known))
    )


def _machine(hardware: str) -> Hardware:
    from qcluster.errors import InputError
    from qcluster.serving import catalogue

    if hardware not in catalogue.hardware():
        raise InputError(f"there is no hardware {hardware!r}; known: {', '.join(catalogue.hardware())}")
    return catalogue.hardware()[hardware]


def _npus(wanted: int | None, name: str, machine: Hardware) -> int:
    from qcluster.errors import InputError

    if wanted and wanted > machine.npus:
        raise InputError(f"--npus {wanted} of one host: {name} has {machine.npus}; how many hosts it takes is advised")
    return wanted or machine.npus


def _proposal(found: Advice, wish: Wish, machine: Hardware, recipe: Recipe, variant: Variant) -> str:
    """Variables of an inventory: flags only where no preset has them."""
    lines = [f"model: {variant.name if recipe.models else _inline(recipe, variant)}", f"hardware: {machine.name}"]
    lines += [f"npus: {wish.npus}"] if wish.npus < machine.npus else []
    lines += [f"preset: {found.preset}"] if found.preset else []
    lines += [f"tp: {found.tp}", f"dp: {found.dp}"]
    flags = [] if found.preset else [f"max-model-len: {wish.context}", f"max-num-seqs: {found.sequences}"]
    flags += ["enable-expert-parallel: true"] if recipe.shape == "moe" else []
    lines += [f"vllm_args: {{{', '.join(flags)}}}"] if flags else []
    return "\n".join([_where(found, recipe.shape == "moe"), *lines])


def _inline(recipe: Recipe, variant: Variant) -> str:
    sizes = {"weights_gb": variant.weights_gb, "experts_gb": variant.experts_gb}
    figures = {**sizes, "kv_bytes_per_token": recipe.kv_bytes_per_token}
    known = "".join(f", {name}: {value:.10g}" for name, value in figures.items() if value)
    return f"{{weights: {variant.weights}, shape: {recipe.shape}{known}}}"


def _where(found: Advice, moe: bool) -> str:
    if found.hosts == 1:
        return "# one standalone host"
    if moe:
        return f"# {found.hosts} standalone hosts carry one group"
    return f"# on each of {found.hosts} standalone hosts, or prefill and decode separated over that many"
