"""The command line as a man page and as a page of the documentation, made from the commands themselves.

`python -m qcluster.cli.manual docs` writes `docs/man/qcluster.1` and `docs/reference/commands.md`; a test holds them
against the commands.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from qcluster.cli import cli
from qcluster.cli.options import run_options

EXITS = {
    "0": "ok",
    "1": "a task failed, or something is unknown: unknown is never a pass",
    "2": "bad input, every mistake with file and line; nothing was touched",
    "3": "a host is unreachable",
    "4": "the cluster runs but does not serve correctly",
    "130": "interrupted (by a signal: 128 + its number); engines go on",
    "any": "exec: the highest code of its command, or 3",
}
ENVIRONMENT = {
    "QCLUSTER_INVENTORY": "the inventory where none is named on the command line",
    "QCLUSTER_LAB_DIR": "where simulated hosts keep their files",
    "NO_COLOR": "plain text",
    "CI": "plain lines instead of the live view",
}
FILES = {
    "inventories/": "an only file here is the inventory where none is named",
    ".qcluster/inventory": "the inventory last used from this directory",
    ".qcluster/runs/": "a journal of each run",
    "playbooks/, roles/": "those here are taken before the shipped ones",
    "/var/lib/qcluster/DEPLOYMENT/": "on a host: scripts, logs, lock, keys (~/.local/state/qcluster without root)",
}


@dataclass(frozen=True)
class Entry:
    """One command: how it is called, what it does, its own options as (spelling, meaning)."""

    path: str
    usage: str
    text: str
    options: tuple[tuple[str, str], ...]
    runs: bool
    """Also takes every option of a playbook run."""


@click.command()
@run_options
def _run(flags: object) -> None:
    """Carries the options that every playbook run takes."""


def _records(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    found = [one.get_help_record(context) for one in command.params if isinstance(one, click.Option)]
    return [record for record in found if record]


RUN_OPTIONS = tuple(_records(_run, click.Context(_run)))


def entries(
    command: click.Command = cli, parent: click.Context | None = None, name: str = "qcluster"
) -> Iterator[Entry]:
    """Every command that does something, depth first."""
    context = click.Context(command, info_name=name, parent=parent)
    if isinstance(command, click.Group) and not command.invoke_without_command:
        for word in command.list_commands(context):
            under = command.get_command(context, word)
            assert under is not None
            yield from entries(under, context, word)
        return
    own = _records(command, context)
    runs = set(RUN_OPTIONS) <= set(own)
    kept = tuple(record for record in own if not (runs and record in RUN_OPTIONS))
    usage = " ".join(command.collect_usage_pieces(context))
    yield Entry(context.command_path, f"{context.command_path} {usage}", _text(command), kept, runs)


def _text(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "")


def markdown() -> str:
    """The page of all commands."""
    parts = [
        "<!-- Made by `python -m qcluster.cli.manual docs`; edit the commands instead. -->\n",
        "# Commands\n",
        "The same as a man page: `man qcluster`. Completion for bash, zsh and fish: `qcluster completion SHELL`.\n",
    ]
    for entry in entries():
        parts += [f"\n## {entry.path}\n", f"```text\n{entry.usage}\n```\n", _paragraphs(entry.text)]
        parts += [_list(entry.options)] if entry.options else []
        parts += ["And the [options of a run](#options-of-a-run).\n"] if entry.runs else []
    parts += ["\n## Options of a run\n", _list(RUN_OPTIONS)]
    for title, table in (("Exit codes", EXITS), ("Environment", ENVIRONMENT), ("Files", FILES)):
        parts += [f"\n## {title}\n", _list(tuple(table.items()))]
    return "\n".join(parts)


def _list(records: tuple[tuple[str, str], ...]) -> str:
    return "".join(f"- `{spelling}`: {meaning}\n" for spelling, meaning in records)


def _paragraphs(text: str) -> str:
    """Markdown of a help text; what click keeps as it stands (after `\\b`) is a block."""
    shown = []
    for part in text.split("\n\n"):
        kept = part.startswith("\b\n")
        shown.append(f"```text\n{part[2:]}\n```" if kept else part)
    return "\n\n".join(shown) + "\n"


def man() -> str:
    """The man page, in the macros of man(7)."""
    parts = [
        '.TH QCLUSTER 1 "" qcluster "User Commands"',
        ".SH NAME",
        "qcluster \\- serve Qwen on Ascend NPUs over SSH",
    ]
    parts += [".SH SYNOPSIS", ".B qcluster", "COMMAND [OPTIONS] [ARGS]", ".SH DESCRIPTION", _troff(_text(cli))]
    parts += [".SH COMMANDS"]
    for entry in entries():
        parts += [f".SS {_safe(entry.path)}", f".B {_safe(entry.usage)}", ".PP", _troff(entry.text)]
        parts += [_tagged(entry.options)] if entry.options else []
        parts += [".PP", "It takes the options of a run, too."] if entry.runs else []
    parts += [".SH OPTIONS OF A RUN", _tagged(RUN_OPTIONS)]
    for title, table in (("EXIT STATUS", EXITS), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)):
        parts += [f".SH {title}", _tagged(tuple(table.items()))]
    return "\n".join([*parts, ".SH SEE ALSO", ".BR ssh (1),", ".BR ssh_config (5),", ".BR docker (1)", ""])


def _safe(text: str) -> str:
    """`text` with what troff would read as its own escaped; a line must not begin with a dot or a quote."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE)


def _troff(text: str) -> str:
    shown = []
    for part in text.split("\n\n"):
        kept = part.startswith("\b\n")
        shown.append(f".nf\n{_safe(part[2:])}\n.fi" if kept else _safe(part))
    return "\n.PP\n".join(shown)


def _tagged(records: tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f".TP\n.B {_safe(spelling)}\n{_safe(meaning)}" for spelling, meaning in records)


def pages() -> dict[str, str]:
    """Path below `docs/` → text."""
    return {"man/qcluster.1": man(), "reference/commands.md": markdown()}


def write(folder: Path) -> None:
    for name, text in pages().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
