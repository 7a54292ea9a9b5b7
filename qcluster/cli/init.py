"""`qcluster init`: write a commented inventory."""

from __future__ import annotations

import ipaddress
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qcluster.cli.writing import write
from qcluster.inventory.settings import SETTINGS
from qcluster.spelling import counted

if TYPE_CHECKING:
    from qcluster.serving.new_inventory import Wanted
    from qcluster.serving.plan import Plan

ROLES = ("prefill", "decode", "standalone", "proxy")
SHAPES = ("dense", "moe")
HARDWARE = SETTINGS["hardware"].choices
ASKED = ("--model", "--shape", "--hardware", "--user", "--dp")
"""What is asked after the hosts, in this order."""
NO_RECIPE = """{model} has no recipe: put the flags of its own guide into vllm_args; for tp and dp:
  qcluster advise --model {model} --shape {shape} --hardware {hardware} --weights-gb GB --kv-bytes BYTES"""


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("inventories/cluster.yaml"))
@click.option("--prefill", multiple=True, metavar="[NAME=]ADDRESS", help="A prefill host; repeat for more.")
@click.option("--decode", multiple=True, metavar="[NAME=]ADDRESS", help="A decode host.")
@click.option("--standalone", multiple=True, metavar="[NAME=]ADDRESS", help="A host that does both.")
@click.option("--proxy", multiple=True, metavar="[NAME=]ADDRESS", help="The proxy's host [the first prefill host].")
@click.option(
    "--model", default=None, help="A model of `qcluster recipes`, or any hub id (ORG/NAME) or folder of weights."
)
@click.option("--shape", type=click.Choice(SHAPES), default=None, help="Of a model without a recipe.")
@click.option("--hardware", type=click.Choice(HARDWARE), default=None, help="The server type; auto asks the hosts.")
@click.option("--user", default=None, help="The SSH user.")
@click.option("--tp", type=click.IntRange(min=1), default=None, help="Tensor parallel size.")
@click.option("--dp", type=click.IntRange(min=1), default=None, help="Replicas a host.")
@click.option("--preset", default="", help="high-throughput, low-latency or long-context (standalone).")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def init(file: Path, force: bool, **told: object) -> int:
    """Write an inventory with comments; ask for what no option says."""
    from qcluster.errors import InputError
    from qcluster.serving.new_inventory import inventory_text

    if file.exists() and not force:
        raise InputError(f"{file} exists already; --force overwrites it")
    wanted = _wanted(told)
    text = inventory_text(wanted)
    made = _planned(text)
    folder = "" if file.parent.exists() else f" (and made the folder {file.parent})"
    write(file, text)
    size = f"{counted(len(made.instances), 'engine')} on {counted(len(made.hosts), 'host')}"
    click.echo(f"wrote {file}{folder}: {size}", err=True)
    if wanted.shape:
        click.echo(NO_RECIPE.format(**vars(wanted)), err=True)
    click.echo(f"next: qcluster plan {file}; qcluster up {file}", err=True)
    return 0


def _planned(text: str) -> Plan:
    """What the text means. Raises InputError, and nothing has been written, where it cannot be planned."""
    from qcluster.errors import InputError
    from qcluster.inventory import load
    from qcluster.serving import make_plan

    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "inventory.yaml"
        draft.write_text(text, encoding="utf-8")
        try:
            return make_plan(load(draft))
        except InputError as error:
            plain = (replace(one, file="", line=0) for one in error.problems)
            raise InputError(list(dict.fromkeys(plain))) from None


def _wanted(told: dict[str, object]) -> Wanted:
    from qcluster.serving.new_inventory import Wanted

    hosts = {role: [str(one) for one in told[role]] for role in ROLES}  # type: ignore[attr-defined]
    if not any(hosts.values()):
        hosts = _ask_hosts(told)
    model = str(_told(told, "--model", "Model", default="Qwen3.5-27B-w8a8"))
    shape = "" if _has_recipe(model) else _told(told, "--shape", "Shape", default="dense", type=click.Choice(SHAPES))
    hardware = _told(told, "--hardware", "Hardware", default="a3", type=click.Choice(HARDWARE))
    user = _told(told, "--user", "SSH user", default="root")
    named = {role: _named(role, addresses) for role, addresses in hosts.items()}
    if hardware == "auto":
        told = {**told, "dp": _told(told, "--dp", "Replicas a host (dp)", default=8, type=int)}
    tp, dp = (value if isinstance(value, int) else None for value in (told["tp"], told["dp"]))
    return Wanted(model, str(hardware), str(user), named, tp, dp, str(told["preset"]), str(shape))


def _has_recipe(model: str) -> bool:
    """False for a hub id or a folder. Raises InputError for a name that is none of these."""
    from qcluster.errors import InputError
    from qcluster.serving.models import mistakes

    wrong = next(mistakes(model), None)
    if wrong and "/" not in model:
        what, hint = wrong
        raise InputError(f"--model {model}: {what} ({hint}); without one name its hub id (ORG/NAME) or folder")
    return wrong is None


def _ask_hosts(told: dict[str, object]) -> dict[str, list[str]]:
    either = "--prefill and --decode (or --standalone)"
    prefill = _ask(told, either, "Addresses of prefill hosts (empty: no PD separation)", default="").split()
    if prefill:
        return {"prefill": prefill, "decode": _ask(told, "--decode", "Addresses of decode hosts").split()}
    return {"standalone": _ask(told, "--standalone", "Addresses of the hosts").split()}


def _told(told: dict[str, object], option: str, text: str, **kind: Any) -> Any:
    return told[option.removeprefix("--")] or _ask(told, option, text, **kind)


def _ask(told: dict[str, object], option: str, text: str, **kind: Any) -> Any:
    """The answer. Without a terminal it may be piped in; where it is not, an error names all options instead."""
    from qcluster.errors import InputError

    if sys.stdin.isatty():
        return click.prompt(text, err=True, **kind)
    try:
        return click.prompt("", prompt_suffix="", show_default=False, show_choices=False, err=True, **kind)
    except click.Abort:
        missing = ", ".join([option, *_still_to_ask(told, option)])
        raise InputError(f"there is no terminal to ask for {missing}: give them as options") from None


def _still_to_ask(told: dict[str, object], option: str) -> list[str]:
    later = ASKED[ASKED.index(option) + 1 :] if option in ASKED else ASKED
    always = ("--model", "--hardware", "--user")  # the others depend on what these say
    return [one for one in later if one in always and not told[one.removeprefix("--")]]


def _named(role: str, addresses: list[str]) -> list[tuple[str, str]]:
    """`NAME=ADDRESS`, or a name made from the role: p1, p2, d1, …"""
    letter = {"standalone": "s", "proxy": "proxy"}.get(role, role[0])
    pairs = [address.rpartition("=") for address in addresses]
    for _, _, address in pairs:
        _see_address(role, address)
    return [(name or f"{letter}{number}", address) for number, (name, _, address) in enumerate(pairs, 1)]


def _see_address(role: str, text: str) -> None:
    """Raises InputError where `text` is neither an IP address nor a name that DNS could have (RFC 1123)."""
    from qcluster.errors import InputError

    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.rstrip(".").split(".")
        named = all(re.fullmatch(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", label) for label in labels)
        if not named or labels[-1].isdigit():
            raise InputError(f"--{role} {text}: this is neither an IP address nor a host's name") from None
