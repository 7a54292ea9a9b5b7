"""`qcluster status`: what runs of a deployment, asked of its hosts now."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from qcluster.cli.metering import Meter
from qcluster.cli.options import RunFlags, inventory_options
from qcluster.cli.session import Choice, Session, opened
from qcluster.errors import EXIT_OK, NotServing, UnreachableError, UnreadableOutput
from qcluster.facts import http, instances
from qcluster.facts.fact import ask
from qcluster.facts.proven import Proof, last_proof
from qcluster.report.standing import current, standing
from qcluster.report.status import Expected, Row, as_json, row, table
from qcluster.report.watch import watch_lines
from qcluster.serving.plan import Plan

PROBE_SECONDS = 5.0


@click.command()
@inventory_options
@click.option("--json", "json_", is_flag=True, help="As JSON; with --watch a line at each look.")
@click.option("-w", "--watch", is_flag=True, help="Look again and again until Ctrl-C; show requests, tokens and HBM.")
@click.option("--every", type=click.FloatRange(min=0.5), default=2.0, metavar="SECONDS", help="Between two looks [2].")
def status(inventory_path: str | None, inventory_option: str | None, json_: bool, watch: bool, every: float) -> int:
    """Instance, host, NPUs, container, age, start-up milestone and health.

    With --watch (and in --json): requests running and waiting, KV cache in use, TTFT, TPOT and tokens a second from
    the engines' /metrics, and HBM from npu-smi.

    Exit 0 when everything serves, 4 when something does not or the last proof of what runs now failed, 3 when a host
    cannot be reached.
    """
    with opened(Choice(inventory_path, inventory_option), RunFlags()) as session:
        if not watch:
            return _exit(*_show(session, json_))
        with suppress(KeyboardInterrupt):  # Ctrl-C is how watching ends, not a failure
            _watch(session, json_, every)
        return EXIT_OK


def _show(session: Session, json_: bool) -> tuple[list[Row], Proof | None]:
    assert session.plan
    rows = survey(session)
    proof = proof_of(session)
    if json_:
        click.echo(json.dumps(_document(session.plan, Meter(session).measured(rows), proof), indent=2))
    else:
        click.echo("\n".join([*table(rows), "", _last(session, rows, proof), *_why(proof, rows)]))
    return rows, proof


def _document(plan: Plan, rows: list[Row], proof: Proof | None) -> dict[str, Any]:
    told = {**asdict(proof), "current": current(proof, rows, time.time())} if proof else None
    return {"deployment": plan.deployment, "instances": as_json(rows), "proof": told}


def _last(session: Session, rows: list[Row], proof: Proof | None) -> str:
    assert session.plan
    return standing(session.plan.deployment, str(session.path), rows, proof, time.time())


def _why(proof: Proof | None, rows: list[Row]) -> list[str]:
    return proof.why.splitlines()[:1] if proof and current(proof, rows, time.time()) else []


def _watch(session: Session, json_: bool, every: float) -> None:
    """On a terminal one table is drawn anew; elsewhere one block follows the other."""
    assert session.plan
    meter = Meter(session)
    with _canvas(json_) as show:
        while True:
            rows, proof = meter.measured(survey(session)), proof_of(session)
            told = f"{_last(session, rows, proof)}; {time.strftime('%H:%M:%S')}, every {every:g} s"
            line = json.dumps(_document(session.plan, rows, proof)) if json_ else ""
            show(partial(_single, line) if json_ else partial(watch_lines, rows, told))
            time.sleep(every)


def _single(line: str, _height: int) -> list[str]:
    return [line]


@contextmanager
def _canvas(json_: bool) -> Iterator[Callable[[Callable[[int], list[str]]], None]]:
    """Where the looks go: a function that takes what makes lines for a height, 0 where there is no limit."""
    from qcluster.report.console import is_live

    if json_ or not is_live(sys.stdout, os.environ):
        yield lambda make: click.echo("\n".join([*make(0), *([] if json_ else [""])]))
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        yield lambda make: live.update(
            Text("\n".join(make(console.height)), no_wrap=True, overflow="ellipsis"), refresh=True
        )


def _exit(rows: list[Row], proof: Proof | None) -> int:
    if any(one.state == "unreachable" for one in rows):
        return UnreachableError.exit_code
    good = all(one.serves for one in rows) and not (proof and proof.why and current(proof, rows, time.time()))
    return EXIT_OK if good else NotServing.exit_code


def proof_of(session: Session) -> Proof | None:
    """The outcome of the last proof, as the first host has noted it."""
    assert session.plan
    first = session.plan.hosts[0]
    try:
        return ask(session.fleet[first.name].run, last_proof(first.state_dir))
    except UnreachableError:
        return None


def _complain(text: str) -> None:
    click.echo(text, err=True)


def survey(session: Session, say: Callable[[str], None] = _complain) -> list[Row]:
    """One question to each host, all hosts at once, and each instance's health through its host's connection.

    Why a host says nothing goes to `say`.
    """
    plan = session.plan
    assert plan
    expected = list(processes(plan))
    names = list(dict.fromkeys(one.host for one in expected))
    with ThreadPoolExecutor(max_workers=max(1, min(64, len(expected)))) as pool:
        found = dict(zip(names, pool.map(lambda name: _running(session, plan, name, say), names), strict=True))
        health = pool.map(lambda one: _started(found[one.host], one) and _healthy(session, plan, one), expected)
        return [row(one, found[one.host], healthy) for one, healthy in zip(expected, health, strict=True)]


def processes(plan: Plan) -> Iterator[Expected]:
    """Everything the plan starts: prefill, decode or standalone instances, then the proxy."""
    for one in plan.instances:
        yield Expected(one.name, one.role, one.host, one.devices, one.port, one.container, not one.image)
    if plan.proxy:
        proxy = plan.proxy
        yield Expected("proxy", "proxy", proxy.host, (), proxy.port, proxy.container, not proxy.image)


def _running(session: Session, plan: Plan, name: str, say: Callable[[str], None]) -> instances.Running | None:
    homes = {host.name: host.state_dir for host in plan.hosts}
    asked = [
        instances.Asked(one.name, one.log, f"{homes[name]}/{one.container}/run")
        for one in plan.instances
        if one.host == name
    ]
    if plan.proxy and plan.proxy.host == name:
        asked.append(instances.Asked("proxy", plan.proxy.log, f"{homes[name]}/{plan.proxy.container}/run", "entry"))
    try:
        found = ask(session.fleet[name].run, instances.running(plan.deployment, asked))
        if found.silent and plan.runtime != "host":
            say(f"{name}: docker does not answer ({found.silent}): what runs there is unknown")
        return found
    except (UnreachableError, UnreadableOutput) as error:
        say(str(error))
        return None


def _started(found: instances.Running | None, one: Expected) -> bool:
    states = {engine.name: engine.state for engine in found.engines} if found else {}
    return states.get(one.name) in ("running", "unseen")


def _healthy(session: Session, plan: Plan, one: Expected) -> bool:
    """Headless instances have no port; their container's state is all there is to know."""
    if one.port is None:
        return False
    addresses = {item.name: item.address for item in plan.instances}
    address = addresses.get(one.name) or (plan.proxy.address if plan.proxy else "")
    path = "/healthcheck" if one.role == "proxy" and plan.proxy and plan.proxy.kind != "vllm-router" else "/health"
    try:
        request = http.Request(address, one.port, path, timeout=PROBE_SECONDS)
        return http.ask(session.fleet[one.host].open_tcp, request).ok
    except UnreachableError:
        return False
