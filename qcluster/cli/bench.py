"""`qcluster bench`: how fast a deployment answers, or an engine without a server is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qcluster.cli import complete
from qcluster.cli.kept import RESULTS
from qcluster.cli.measuring import How, find, how, how_options, measure, show, tokenizer_for, write_page
from qcluster.cli.options import inventory_options, run_options
from qcluster.cli.session import Choice
from qcluster.errors import InputError

if TYPE_CHECKING:
    from qcluster.cli.options import RunFlags
    from qcluster.evaluate.model import Request
    from qcluster.serving.plan import Plan

REGRESSION = click.option(
    "--max-regression",
    type=click.FloatRange(min=0),
    default=None,
    metavar="PERCENT",
    help="How much less than the run before is still good [20].",
)


@click.group()
def bench() -> None:
    """Measure speed with `vllm bench` or AISBench. Exit code 4 where requests failed or it has become slower."""


@bench.command()
@inventory_options
@click.option("-c", "--concurrency", default="", metavar="LIST|auto", help="A sweep: 1,4,16, or auto.")
@click.option(
    "--request-rate", type=click.FloatRange(min=0, min_open=True), default=None, help="Requests a second [1]."
)
@click.option(
    "-n",
    "--num-prompts",
    type=click.IntRange(min=1),
    default=200,
    help="Requests of a point [200]; of a sweep at least 4 for each at once.",
)
@click.option("--input-len", type=click.IntRange(min=1), default=200, help="Tokens of a random prompt [200].")
@click.option("--output-len", type=click.IntRange(min=1), default=128, help="Tokens of an answer [128].")
@click.option("--dataset-name", default="", help="vllm: random, sharegpt, … [random]; aisbench: gsm8k, … [gsm8k].")
@click.option("--dataset-path", default="", metavar="PATH", help="As the tool sees it; aisbench: a folder here.")
@click.option("--tool", type=click.Choice(["vllm", "aisbench"]), default="vllm", help="What measures [vllm].")
@REGRESSION
@how_options
@run_options
def serve(
    inventory_path: str | None,
    inventory_option: str | None,
    flags: RunFlags,
    max_regression: float | None,
    **given: Any,
) -> int:
    """Load the service of INVENTORY: at one request rate, or a sweep over concurrency."""
    folder = given["dataset_path"] if given["tool"] == "aisbench" else ""
    if folder:
        folder = str(Path(folder).resolve())
    wanted = how(given, max_regression=max_regression, data=folder or None)
    choice = Choice(inventory_path, inventory_option, flags.vault_password_file, flags.extra_vars)
    return measure(choice, flags, wanted, lambda plan: serving(plan, wanted, given))


def serving(plan: Plan, wanted: How, given: dict[str, Any]) -> Request:
    from qcluster.evaluate.model import Request, Workload
    from qcluster.evaluate.points import Rates, concurrencies, loads, subject

    rate, words = given["request_rate"], given["concurrency"]
    levels = concurrencies(words, plan) if words else ()
    if rate is None and not levels:
        rate = 1.0
    aisbench = given["tool"] == "aisbench"
    work = Workload(
        dataset=given["dataset_name"] or ("gsm8k" if aisbench else "random"),
        dataset_path=given["dataset_path"],
        input_len=0 if aisbench else given["input_len"],
        output_len=given["output_len"],
        requests=given["num_prompts"],
        tokenizer=tokenizer_for(wanted, plan),
        args=wanted.args,
    )
    if not aisbench:
        _tell_raised(work.requests, levels)
    return Request("serve", given["tool"], subject(plan), work, loads(plan, Rates(levels, rate)), wanted.on)


def _tell_raised(requests: int, levels: tuple[int, ...]) -> None:
    """Say of which levels more requests are sent than were asked for."""
    from qcluster.evaluate.commands import requests_of

    sent = {level: requests_of(requests, level) for level in levels}
    raised = ", ".join(f"{count} with {level} at once" for level, count in sent.items() if count > requests)
    if raised:
        click.echo(f"-n {requests} is too few to measure every level (4 for each at once): {raised} are sent", err=True)


@bench.command()
@inventory_options
@click.option("--input-len", type=click.IntRange(min=1), default=32, help="Tokens of a prompt [32].")
@click.option("--output-len", type=click.IntRange(min=1), default=128, help="Tokens of an answer [128].")
@click.option("--batch-size", type=click.IntRange(min=1), default=8, help="Prompts at once [8].")
@click.option("--num-iters", "requests", type=click.IntRange(min=1), default=30, help="Batches measured [30].")
@REGRESSION
@how_options
@run_options
def latency(inventory_path: str | None, inventory_option: str | None, flags: RunFlags, **given: Any) -> int:
    """Time one batch in an engine without a server, on the NPUs of the first that answers. They must be free."""
    return _offline("latency", Choice(inventory_path, inventory_option), flags, given)


@bench.command()
@inventory_options
@click.option("--input-len", type=click.IntRange(min=1), default=200, help="Tokens of a prompt [200].")
@click.option("--output-len", type=click.IntRange(min=1), default=128, help="Tokens of an answer [128].")
@click.option("-n", "--num-prompts", "requests", type=click.IntRange(min=1), default=200, help="Prompts [200].")
@REGRESSION
@how_options
@run_options
def throughput(inventory_path: str | None, inventory_option: str | None, flags: RunFlags, **given: Any) -> int:
    """Count tokens a second of an engine without a server, on the NPUs of the first that answers."""
    return _offline("throughput", Choice(inventory_path, inventory_option), flags, given)


def _offline(kind: str, choice: Choice, flags: RunFlags, given: dict[str, Any]) -> int:
    wanted = how(given, max_regression=given.pop("max_regression"))
    if wanted.on == "controller":
        raise InputError(f"bench {kind} loads the model on NPUs: it runs on a host")
    chosen = Choice(choice.argument, choice.option, flags.vault_password_file, flags.extra_vars)
    return measure(chosen, flags, wanted, lambda plan: alone(plan, kind, wanted, given))


def alone(plan: Plan, kind: str, wanted: How, given: dict[str, Any]) -> Request:
    from qcluster.evaluate.commands import engine_of
    from qcluster.evaluate.model import Request, Workload
    from qcluster.evaluate.points import offline, subject

    points = offline(plan, kind)
    if plan.model.moe and engine_of(plan, points[0]).dp_size > 1:
        raise InputError(f"bench {kind} measures one engine; this model is served by data-parallel ranks together")
    work = Workload(args=wanted.args, tokenizer=wanted.tokenizer, **given)
    return Request(kind, "vllm", subject(plan), work, points)


@bench.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def results(as_json: bool) -> None:
    """List every result of this directory, those of `qcluster eval` too, newest last."""
    import json

    from qcluster.evaluate import store
    from qcluster.evaluate.model import as_json as plain

    found = [store.evaluation_in(folder) for folder in store.folders(RESULTS)]
    if as_json:
        click.echo(json.dumps([plain(one) for one in found], indent=1, ensure_ascii=False))
        return
    from qcluster.report.evaluation_text import result_row

    for one in found:
        click.echo(result_row(one))
    if not found:
        click.echo(f"no results yet in {RESULTS}", err=True)


@bench.command("show")
@click.argument("result", metavar="[RESULT|last]", default="last", shell_complete=complete.results)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show_(result: str, as_json: bool) -> None:
    """Tell one result: its points, and what the verdict says of them."""
    show(find(result), as_json, people=True)


@bench.command()
@click.argument("result", metavar="[RESULT|last]", default="last", shell_complete=complete.results)
@click.option("--html", "target", default="evaluation.html", metavar="FILE", help="Where it goes [evaluation.html].")
def report(result: str, target: str) -> None:
    """Write one self-contained page about RESULT, with charts and the results before it."""
    from qcluster.evaluate import store

    write_page(store.evaluation_in(find(result)), Path(target))
