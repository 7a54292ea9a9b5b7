"""Options that several commands share, spelled and meant as Ansible's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from qcluster.cli import complete
from qcluster.errors import InputError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class RunFlags:
    """What the operator said on the command line about one run."""

    limit: str = ""
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    check: bool = False
    diff: bool = False
    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    forks: int = 0
    start_at_task: str = ""
    step: bool = False
    list_hosts: bool = False
    list_tasks: bool = False
    list_tags: bool = False
    syntax_check: bool = False
    verbosity: int = 0
    quiet: bool = False
    output: str = "human"
    ask_become_pass: bool = False
    vault_password_file: str = ""
    rerun_failed: bool = False
    html: Path | None = None


def page_place(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """Refused while nothing has begun, where a page cannot be written there."""
    if path:
        from qcluster.report.page import refuse

        refuse(path)
    return path


html_option = click.option(
    "--html",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    callback=page_place,
    help="Write the run as one HTML page, also when it fails.",
)

_RUN_OPTIONS = (
    click.option(
        "-l", "--limit", default="", metavar="PATTERN", help="Only these hosts.", shell_complete=complete.hosts
    ),
    click.option("-t", "--tags", multiple=True, help="Only tasks with these tags."),
    click.option("--skip-tags", multiple=True, help="Not the tasks with these tags."),
    click.option("-C", "--check", is_flag=True, help="Change nothing; say what would change."),
    click.option("-D", "--diff", is_flag=True, help="Show what changes, before and after."),
    click.option("-e", "--extra-vars", "extra", multiple=True, metavar="K=V|JSON|@FILE", help="Variables that win."),
    click.option("-f", "--forks", type=click.IntRange(min=1), default=None, help="Hosts at the same time [all]."),
    click.option("--start-at-task", default="", metavar="NAME", help="Begin with this task."),
    click.option("--step", is_flag=True, help="Ask before each task."),
    click.option("--list-hosts", is_flag=True, help="Print the hosts and do nothing."),
    click.option("--list-tasks", is_flag=True, help="Print the tasks and do nothing."),
    click.option("--list-tags", is_flag=True, help="Print the tags and do nothing."),
    click.option("--syntax-check", is_flag=True, help="Check playbook and inventory, and do nothing."),
    click.option("-v", "--verbose", "verbosity", count=True, help="More (-vv: results, -vvv: commands)."),
    click.option("-q", "--quiet", is_flag=True, help="Only failures and the result."),
    click.option(
        "-o",
        "--output",
        type=click.Choice(["human", "json", "ndjson", "junit"]),
        default="human",
        help="How the run is shown.",
    ),
    click.option("-K", "--ask-become-pass", is_flag=True, help="Ask for the sudo password."),
    click.option("--vault-password-file", default="", metavar="FILE", help="Password of !vault values."),
    click.option("--rerun-failed", is_flag=True, help="Only hosts that failed in the last run of this playbook."),
    html_option,
)


def run_options(function: F) -> F:
    """Add every option of a playbook run; the function gets them as one `flags: RunFlags`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, flags=_take_flags(kwargs), **kwargs)

    decorated: Any = wrapper
    for option in reversed(_RUN_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def _take_flags(kwargs: dict[str, Any]) -> RunFlags:
    given = {name: kwargs.pop(name) for name in list(kwargs) if name in RunFlags.__dataclass_fields__}
    given["tags"], given["skip_tags"] = _words(given["tags"]), _words(given["skip_tags"])
    extra = parse_extra(kwargs.pop("extra"), given["vault_password_file"])
    return RunFlags(**{**given, "forks": given["forks"] or 0, "extra_vars": extra})


def _words(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.strip() for text in texts for word in text.split(",") if word.strip())


def _only(_context: click.Context, _option: click.Parameter, paths: tuple[str, ...]) -> str | None:
    """Ansible merges several; here a second one would be passed over."""
    if len(paths) > 1:
        raise InputError(f"--inventory {' and '.join(paths)}: there is one inventory; it may be a folder of files")
    return paths[0] if paths else None


which_inventory = click.option(
    "-i",
    "--inventory",
    "inventory_option",
    type=click.Path(),
    multiple=True,
    callback=_only,
    metavar="PATH",
    help="The inventory.",
)


def inventory_options(function: F) -> F:
    """`[INVENTORY]` and `-i/--inventory`: the function gets `inventory_path` and `inventory_option`."""
    argument = click.argument("inventory_path", required=False, type=click.Path(), metavar="[INVENTORY]")
    decorated: Any = argument(which_inventory(function))
    return decorated  # type: ignore[no-any-return]


def parse_extra(texts: tuple[str, ...], vault_password_file: str = "") -> dict[str, Any]:
    """`-e` as Ansible reads it: `k=v k2=v2`, a JSON or YAML mapping, or `@FILE` with one (`!vault` values in it)."""
    merged: dict[str, Any] = {}
    for text in texts:
        merged.update(_mapping(text.lstrip(), vault_password_file) if text.lstrip()[:1] in "{[@" else _pairs(text))
    return merged


def _mapping(text: str, vault_password_file: str) -> dict[str, Any]:
    from qcluster.cli.hidden import vault_of
    from qcluster.schema import load_yaml

    vault, shown = vault_of(vault_password_file), Path("--extra-vars")
    value = vault.load(Path(text[1:]).expanduser()) if text[0] == "@" else load_yaml(shown, text, tags=vault.tags)
    if not isinstance(value, dict):
        kind = "nothing" if value is None else "a list" if isinstance(value, list) else f"{value!r}"
        raise InputError(f"--extra-vars {text}: a mapping is wanted, this is {kind}")
    return value


def _pairs(text: str) -> dict[str, Any]:
    from qcluster.modules.words import named

    try:
        return dict(named(text))
    except ValueError as error:
        form = "a name is letters, digits and _; a JSON or YAML mapping and @FILE are taken too"
        raise InputError(f"--extra-vars {text!r}: {error} ({form})") from None
