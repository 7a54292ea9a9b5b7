"""Who listens to a run: the terminal or a machine's format, the journal, the HTML page."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qcluster.cli.closing import Told
from qcluster.cli.kept import RUNS
from qcluster.cli.options import RunFlags
from qcluster.errors import InputError
from qcluster.events import Emit, Event
from qcluster.report.mishaps import Mishaps

if TYPE_CHECKING:
    from qcluster.cli.session import Session
    from qcluster.report.journal import Journal
    from qcluster.report.serialise import Mask
    from qcluster.report.timings import Expected
    from qcluster.serving.plan import Plan


def journal_of(verb: str) -> Journal:
    """A folder of its own for the run that begins now."""
    from qcluster.report.journal import Journal

    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime())
    folder = RUNS / f"{stamp}-{verb}"
    count = 1
    while folder.exists():
        count += 1
        folder = RUNS / f"{stamp}.{count}-{verb}"
    try:
        return Journal(folder)
    except OSError as error:
        what = f"{error.filename} cannot be written ({error.strerror}), and this run's journal belongs there"
        raise InputError(f"{what}; make room or give permission, or run qcluster in another folder") from error


@contextmanager
def reporting(session: Session, verb: str, flags: RunFlags, journal: Journal | None, told: Told) -> Iterator[Emit]:
    """Where the engine's events go: to the operator, the journal, a page, and whoever else listens."""
    from qcluster.report.fanout import fan_out

    front = _front(session, verb, flags)
    plan = _document(session.plan)
    reporters: list[Callable[[Event], None]] = [front, told, *session.watchers]
    mishaps = Mishaps()
    if journal:
        reporters.append(journal)
        with mishaps.of(journal):
            _introduce(journal, session, plan)
    with ExitStack() as last:
        last.callback(_confess, mishaps, session.mask)
        if flags.html:
            reporters.append(last.enter_context(_paged(flags.html, plan, mishaps)))
        emit = fan_out(reporters, session.mask, mishaps)
        session.listeners.append(emit)
        last.callback(session.listeners.remove, emit)
        for reporter in filter(None, (journal, front)):
            last.callback(_shut, reporter, mishaps)
        yield emit


def _introduce(journal: Journal, session: Session, plan: dict[str, Any] | None) -> None:
    if plan:
        journal.save_plan(plan)
        journal.save_ways(session.ways)


def _shut(reporter: Any, mishaps: Mishaps) -> None:
    with mishaps.of(reporter), suppress(BrokenPipeError):  # nobody reads any more, and the run has ended because of it
        getattr(reporter, "close", lambda: None)()


def _confess(mishaps: Mishaps, mask: Mask) -> None:
    for line in mishaps.lines():
        click.echo(mask(line), err=True)


def _document(plan: Plan | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    from qcluster.serving.plan import as_json

    return as_json(plan)


@contextmanager
def _paged(path: Path, plan: dict[str, Any] | None, mishaps: Mishaps) -> Iterator[Callable[[Event], None]]:
    """A listener whose page is written when the run is over, however it ended."""
    from qcluster.cli import report
    from qcluster.report.html import HtmlReport

    told = HtmlReport()
    try:
        yield told
    finally:
        with mishaps.of(told):
            click.echo(report.write(path, told, plan), err=True)


def _front(session: Session, verb: str, flags: RunFlags) -> Callable[[Event], None]:
    if flags.output == "ndjson":
        from qcluster.report.ndjson import NdjsonReporter

        return NdjsonReporter(sys.stdout)
    if flags.output in ("json", "junit"):
        from qcluster.report.document import JsonReporter, JunitReporter

        return JsonReporter(sys.stdout) if flags.output == "json" else JunitReporter(sys.stdout)
    from qcluster.report.console import human, is_live
    from qcluster.report.lines import Style

    colour = is_live(sys.stderr, os.environ)
    style = Style(flags.verbosity, flags.quiet, everything=verb in ("run", "exec"), colour=colour)
    deployment = session.plan.deployment if session.plan else ""
    environ = {**os.environ, "TERM": "dumb"} if flags.step else os.environ  # a board would draw over the questions
    return human(sys.stderr, environ, style, lambda: _expected(verb, deployment))


def _expected(verb: str, deployment: str) -> Expected:
    from qcluster.report.journal import expectation

    return expectation(RUNS, verb, deployment)
