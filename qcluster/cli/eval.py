"""`qcluster eval`: how well a deployment answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qcluster.cli.measuring import How, how, how_options, measure, tokenizer_for
from qcluster.cli.options import inventory_options, run_options
from qcluster.cli.session import Choice

if TYPE_CHECKING:
    from qcluster.cli.options import RunFlags
    from qcluster.evaluate.model import Request
    from qcluster.serving.plan import Plan


@click.command("eval")
@inventory_options
@click.option("--tool", type=click.Choice(["lm_eval", "aisbench"]), default="lm_eval", help="What asks [lm_eval].")
@click.option("--task", default="gsm8k", help="Name of the dataset [gsm8k].")
@click.option(
    "--dataset", "data", default="", metavar="FOLDER", help="With train.jsonl and test.jsonl, where there is no hub."
)
@click.option("--samples", type=click.IntRange(min=1), default=None, help="Only so many questions [all].")
@click.option("--fewshot", type=click.IntRange(min=0), default=None, help="Examples in a prompt [the task's own].")
@click.option("-c", "--concurrency", type=click.IntRange(min=1), default=32, help="Questions at once [32].")
@click.option("--reference", type=click.FloatRange(0, 100), default=None, help="Score to reach, in percent.")
@click.option("--margin", type=click.FloatRange(min=0), default=None, help="Points below it that are still good [2].")
@how_options
@run_options
def eval_(
    inventory_path: str | None,
    inventory_option: str | None,
    flags: RunFlags,
    reference: float | None,
    margin: float | None,
    **given: Any,
) -> int:
    """Ask the service of INVENTORY a dataset's questions; exit code 4 where the score is too low."""
    data = str(Path(given.pop("data")).resolve()) if given["data"] else given.pop("data") or None
    wanted = how(given, reference=reference, margin=margin, data=data)
    choice = Choice(inventory_path, inventory_option, flags.vault_password_file, flags.extra_vars)
    return measure(choice, flags, wanted, lambda plan: asking(plan, wanted, {**given, "data": data or ""}))


def asking(plan: Plan, wanted: How, given: dict[str, Any]) -> Request:
    from qcluster.errors import InputError
    from qcluster.evaluate.model import Request, Workload
    from qcluster.evaluate.points import Rates, loads, subject

    missing = [name for name in ("train.jsonl", "test.jsonl") if not (Path(given["data"]) / name).is_file()]
    if given["data"] and missing:
        raise InputError(f"--dataset {given['data']}: {' and '.join(missing)} not there: one JSON object a line each")
    work = Workload(
        dataset=given["task"],
        dataset_path=given["data"],
        requests=given["samples"] or 0,
        fewshot=given["fewshot"],
        tokenizer=tokenizer_for(wanted, plan),
        args=wanted.args,
    )
    points = loads(plan, Rates((given["concurrency"],)))
    return Request("eval", given["tool"], subject(plan), work, points, wanted.on)
