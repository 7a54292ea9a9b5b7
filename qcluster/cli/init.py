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

if TYPE_CHECKING:
    from qcluster.serving.plan import Plan
    from qcluster.serving.template import Wanted

ROLES = ("prefill", "decode", "standalone", "proxy")


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("inventories/cluster.yaml"))
@click.option("--prefill", multiple=True, metavar="[NAME=]ADDRESS", help="A prefill host; repeat for more.")
@click.option("--decode", multiple=True, metavar="[NAME=]ADDRESS", help="A decode host.")
@click.option("--standalone", multiple=True, metavar="[NAME=]ADDRESS", help="A host that does both.")
@click.option("--proxy", multiple=True, metavar="[NAME=]ADDRESS", help="The proxy's host [the first prefill host].")
@click.option("--model", default=None, help="A model that has a recipe.")
@click.option("--hardware", default=None, help="a2, a3 or auto.")
@click.option("--user", default=None, help="The SSH user.")
@click.option("--tp", type=click.IntRange(min=1), default=None, help="Tensor parallel size.")
@click.option("--dp", type=click.IntRange(min=1), default=None, help="Replicas a host.")
@click.option("--preset", default="", help="high-throughput, low-latency or long-context (standalone).")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def init(file: Path, force: bool, **told: object) -> int:
    """Write an inventory with comments; ask for what no option says."""
    from qcluster.errors import InputError
    from qcluster.serving.template import inventory_text

    if file.exists() and not force:
        raise InputError(f"{file} exists already; --force overwrites it")
    text = inventory_text(_wanted(told))
    made = _planned(text)
    write(file, text)
    click.echo(f"wrote {file}: {len(made.instances)} processes on {len(made.hosts)} hosts", err=True)
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
    from qcluster.serving.template import Wanted

    hosts = {role: [str(one) for one in told[role]] for role in ROLES}  # type: ignore[attr-defined]
    if not any(hosts.values()):
        hosts = _ask_hosts()
    model = told["model"] or _ask("--model", "Model", default="Qwen3.5-27B-w8a8")
    choices = click.Choice(["a2", "a3", "auto"])
    hardware = told["hardware"] or _ask("--hardware", "Hardware", default="a3", type=choices)
    user = told["user"] or _ask("--user", "SSH user", default="root")
    named = {role: _named(role, addresses) for role, addresses in hosts.items()}
    tp, dp = (value if isinstance(value, int) else None for value in (told["tp"], told["dp"]))
    if hardware == "auto" and dp is None:
        dp = _ask("--dp", "Replicas a host (dp)", default=8, type=int)
    return Wanted(str(model), str(hardware), str(user), named, tp, dp, str(told["preset"]))


def _ask_hosts() -> dict[str, list[str]]:
    either = "--prefill and --decode, or --standalone,"
    prefill = _ask(either, "Addresses of prefill hosts (empty: no PD separation)", default="").split()
    if prefill:
        return {"prefill": prefill, "decode": _ask("--decode", "Addresses of decode hosts").split()}
    return {"standalone": _ask("--standalone", "Addresses of the hosts").split()}


def _ask(option: str, text: str, **kind: Any) -> Any:
    """The answer; without a terminal, and with no answer piped in, an error that names the option instead."""
    from qcluster.errors import InputError

    try:
        return click.prompt(text, err=True, **kind)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise InputError(f"{option} must be given: there is no terminal to ask") from None


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
