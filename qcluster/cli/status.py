"""`qcluster status`: what runs of a deployment, asked of its hosts now."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import click

from qcluster.cli.options import RunFlags, inventory_options
from qcluster.cli.session import Choice, Session, opened
from qcluster.errors import EXIT_OK, NotServing, UnreachableError, UnreadableOutput
from qcluster.facts import http, instances
from qcluster.facts.fact import ask
from qcluster.facts.proven import Proof, last_proof
from qcluster.report.status import Expected, Row, as_json, row, table
from qcluster.serving.plan import Plan

PROBE_SECONDS = 5.0


@click.command()
@inventory_options
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.option("-w", "--watch", type=click.FloatRange(min=0.5), default=None, metavar="SECONDS", help="Again and again.")
def status(inventory_path: str | None, inventory_option: str | None, json_: bool, watch: float | None) -> int:
    """Instance, host, NPUs, container, age, start-up milestone and health.

    Exit 0 when everything serves, 4 when something does not or the last proof failed, 3 when a host cannot be reached.
    """
    with opened(Choice(inventory_path, inventory_option), RunFlags()) as session:
        if watch is None:
            return _exit(*_show(session, json_))
        try:
            while True:
                _show(session, json_)
                time.sleep(watch)
        except KeyboardInterrupt:
            return EXIT_OK  # Ctrl-C is how watching ends, not a failure


def _show(session: Session, json_: bool) -> tuple[list[Row], Proof | None]:
    assert session.plan
    rows = survey(session)
    proof = proof_of(session)
    click.echo(_shown(session.plan, rows, proof, json_))
    return rows, proof


def _shown(plan: Plan, rows: list[Row], proof: Proof | None, json_: bool) -> str:
    if json_:
        told = {"deployment": plan.deployment, "instances": as_json(rows), "proof": asdict(proof) if proof else None}
        return json.dumps(told, indent=2, ensure_ascii=False)
    healthy = sum(one.serves for one in rows)
    line = f"{plan.deployment}: {healthy} of {len(rows)} healthy; {f'last proof {proof}' if proof else 'never proven'}"
    return "\n".join([*table(rows), "", line, *(proof.why.splitlines()[:1] if proof else ())])


def _exit(rows: list[Row], proof: Proof | None) -> int:
    if any(one.state == "unreachable" for one in rows):
        return UnreachableError.exit_code
    good = all(one.serves for one in rows) and not (proof and proof.why)
    return EXIT_OK if good else NotServing.exit_code


def proof_of(session: Session) -> Proof | None:
    """The outcome of the last proof, as the first host has noted it."""
    assert session.plan
    first = session.plan.hosts[0]
    try:
        return ask(session.fleet[first.name].run, last_proof(first.state_dir))
    except UnreachableError:
        return None


def survey(session: Session) -> list[Row]:
    """One question to each host, all hosts at once, and each instance's health through its host's connection."""
    plan = session.plan
    assert plan
    expected = list(processes(plan))
    names = list(dict.fromkeys(one.host for one in expected))
    with ThreadPoolExecutor(max_workers=max(1, min(64, len(expected)))) as pool:
        found = dict(zip(names, pool.map(lambda name: _running(session, plan, name), names), strict=True))
        health = pool.map(lambda one: _started(found[one.host], one) and _healthy(session, plan, one), expected)
        return [row(one, found[one.host], healthy) for one, healthy in zip(expected, health, strict=True)]


def processes(plan: Plan) -> Iterator[Expected]:
    """Everything the plan starts: prefill, decode or standalone instances, then the proxy."""
    for one in plan.instances:
        yield Expected(one.name, one.role, one.host, one.devices, one.port, one.container, not one.image)
    if plan.proxy:
        proxy = plan.proxy
        yield Expected("proxy", "proxy", proxy.host, (), proxy.port, proxy.container, not proxy.image)


def _running(session: Session, plan: Plan, name: str) -> instances.Running | None:
    homes = {host.name: host.state_dir for host in plan.hosts}
    asked = [
        instances.Asked(one.name, one.log, f"{homes[name]}/{one.container}/run")
        for one in plan.instances
        if one.host == name
    ]
    if plan.proxy and plan.proxy.host == name:
        asked.append(instances.Asked("proxy", plan.proxy.log, f"{homes[name]}/{plan.proxy.container}/run", "entry"))
    try:
        return ask(session.fleet[name].run, instances.running(plan.deployment, asked))
    except (UnreachableError, UnreadableOutput) as error:
        click.echo(str(error), err=True)
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
    path = "/healthcheck" if one.role == "proxy" else "/health"
    try:
        request = http.Request(address, one.port, path, timeout=PROBE_SECONDS)
        return http.ask(session.fleet[one.host].open_tcp, request).ok
    except UnreachableError:
        return False
