"""What `bench` and `eval` share: one evaluation from the request to the table."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from qcluster.cli.kept import RESULTS
from qcluster.cli.options import RunFlags
from qcluster.cli.session import Choice, Session, opened, run_playbook
from qcluster.cli.shipped import playbook
from qcluster.errors import InputError, was_interrupted

if TYPE_CHECKING:
    from qcluster.evaluate.model import Evaluation, Request
    from qcluster.serving.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class How:
    """What is the same for every kind: where the tool runs, and what is done with the result."""

    on: str = "host"
    new: bool = False
    timeout: int = 7200
    install: bool = False
    tokenizer: str = ""
    args: tuple[str, ...] = ()
    api_key: str = ""
    as_json: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)


def how_options(function: F) -> F:
    """The function gets them as keyword arguments; `how` collects them."""
    decorated: Any = function
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


_OPTIONS = (
    click.option(
        "--on",
        type=click.Choice(["host", "controller"]),
        default="host",
        help="Run the tool inside an engine's container, or on this machine [host].",
    ),
    click.option("--new", is_flag=True, help="Begin afresh where the last one like it was interrupted."),
    click.option("--timeout", type=click.IntRange(min=1), default=7200, help="Seconds for one point [7200]."),
    click.option("--install", is_flag=True, help="Let pip install the tool where it is missing."),
    click.option("--tokenizer", default="", metavar="PATH|ID", help="Instead of the weights' own folder."),
    click.option("--arg", "args", multiple=True, metavar="WORDS", help="Passed on to the tool as written."),
    click.option("--api-key", default="", envvar="QCLUSTER_API_KEY", help="Sent as a bearer token."),
    click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout."),
)
NAMES = ("on", "new", "timeout", "install", "tokenizer", "args", "api_key", "as_json")


def how(given: dict[str, Any], **variables: Any) -> How:
    """Take the shared options out of `given`; `variables` are the role's, None for those not said."""
    taken = {name: given.pop(name) for name in NAMES}
    words = tuple(word for text in taken.pop("args") for word in shlex.split(text))
    said = {f"evaluation_{name}": value for name, value in variables.items() if value is not None}
    return How(args=words, variables=said, **taken)


def measure(choice: Choice, flags: RunFlags, wanted: How, make: Callable[[Plan], Request]) -> int:
    """Make the request of the plan, run its playbook, and show what came of it."""
    if wanted.as_json and flags.output != "human":
        raise click.UsageError("--json and --output both want stdout: give one of them")
    from qcluster.evaluate import store

    with opened(choice, flags) as session:
        assert session.plan is not None
        request = make(session.plan)
        if flags.check:
            return _run(session, request, RESULTS / "none", wanted, flags)
        folder = _folder(request, wanted.new)
        code = _run(session, request, folder, wanted, flags)
    if was_interrupted(code):
        click.echo(
            "Detached: the tool goes on where it runs; the same command joins it, or goes on after it.", err=True
        )
    elif code:
        store.discard(folder)
    if (folder / "result.json").exists():
        show(folder, wanted.as_json, flags.output == "human")
        if flags.html:
            write_page(store.evaluation_in(folder), flags.html)
    return code


def _folder(request: Request, new: bool) -> Path:
    """A folder for the results: that of an interrupted evaluation of the same request, or a new one."""
    from qcluster.evaluate import store

    begun = None if new else store.unfinished(RESULTS, request)
    if begun is None:
        return store.create(RESULTS, time.strftime("%Y%m%d-%H%M%S", time.localtime()), request)
    done = len(store.measured_in(begun))
    total = len(request.points)
    click.echo(f"going on with {begun.name}: {done} of {total} points are there (--new begins afresh)", err=True)
    return begun


def _run(session: Session, request: Request, folder: Path, wanted: How, flags: RunFlags) -> int:
    from qcluster.evaluate import store
    from qcluster.evaluate.model import as_json
    from qcluster.secret import Secret

    done = {one.point.name for one in store.measured_in(folder)} if folder.exists() else set()
    extra: dict[str, Any] = {
        "evaluation_request": as_json(request),
        "evaluation_folder": str(folder.resolve()),
        "evaluation_missing": [point.name for point in request.points if point.name not in done],
        "evaluation_timeout": wanted.timeout,
        "evaluation_install": wanted.install,
        **wanted.variables,
    }
    if wanted.api_key:
        extra["api_key"] = Secret(wanted.api_key)
    name = "eval" if request.kind == "eval" else "bench"
    # its own page is one of figures, not of a run
    return run_playbook(session, name, playbook(name, Path.cwd()), replace(flags, html=None), extra_vars=extra)


def show(folder: Path, plain: bool, people: bool) -> None:
    """The result on stdout: as JSON, as a table for people, or not at all."""
    from qcluster.evaluate import store
    from qcluster.evaluate.model import as_json

    found = store.evaluation_in(folder)
    if plain:
        click.echo(json.dumps(as_json(found), indent=1, ensure_ascii=False))
    elif people:
        from qcluster.report.evaluation_text import evaluation_lines

        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        click.echo("\n".join(evaluation_lines(found, colour)))


def write_page(found: Evaluation, target: Path) -> None:
    from qcluster.report import page
    from qcluster.report.evaluation_html import evaluation_page

    click.echo(page.write(target, evaluation_page([found, *_history(found)])), err=True)


def _history(found: Evaluation) -> list[Evaluation]:
    """Earlier evaluations that can be compared, newest first."""
    from qcluster.evaluate import store
    from qcluster.evaluate.compare import comparable

    earlier = [one for one in reversed(store.folders(RESULTS)) if one.name < found.id]
    same = [one for one in earlier if comparable(found.request, store.request_in(one))]
    return [store.evaluation_in(one) for one in same]


def find(name: str) -> Path:
    """The folder of the one result whose name begins with `name`, or of the newest (`last`). Raises InputError."""
    from qcluster.evaluate import store

    known = store.folders(RESULTS)
    matching = known[-1:] if name == "last" else [one for one in known if one.name.startswith(name)]
    if len(matching) != 1:
        listed = ", ".join(one.name for one in (matching or known)[-5:]) or "none yet"
        raise InputError(f"no single result is called {name!r}; there are: {listed}")
    return matching[0]


def tokenizer_for(wanted: How, plan: Plan) -> str:
    """What the tool tokenizes with, empty for the weights' folder. The controller does not have that."""
    if wanted.tokenizer or wanted.on == "host":
        return wanted.tokenizer
    if not plan.model.weights.startswith("/") or Path(plan.model.weights).exists():
        return plan.model.weights
    raise InputError(f"--on controller: {plan.model.weights} is not on this machine: give --tokenizer PATH or ID")
