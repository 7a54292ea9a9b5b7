"""Asking before anything that serves is stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import click

from qcluster.cli.session import Session
from qcluster.errors import InputError, QclusterError
from qcluster.facts.docker import DIGEST, Listed, containers
from qcluster.serving.digest import TOLD
from qcluster.serving.plan import ProxyPlan


def consent(session: Session, yes: bool, meanwhile: Callable[[], None] = lambda: None) -> bool:
    """Whether running containers may be replaced: `--yes`, or the operator's word where something would stop.

    `meanwhile` is done while the hosts are asked. Raises InputError where nobody can be asked. A host that does not
    answer is the run's business.
    """
    with ThreadPoolExecutor(1) as pool:
        looking = None if yes else pool.submit(replaced, session)
        meanwhile()
        stops = looking.result() if looking else []
    if not stops:
        return yes
    deaf = untold(session.plan.proxy) if session.plan else ""
    agree(f"{', '.join(stops)}: another plan runs there and will be stopped" + (f"; {deaf}" if deaf else ""))
    return True


def untold(proxy: ProxyPlan | None) -> str:
    """What a stop costs behind a proxy that has its list for good; empty where it can be told, or where none is."""
    if proxy is None or proxy.kind == TOLD:
        return ""
    return f"the proxy ({proxy.kind}) cannot be told of it, so what it sends there fails meanwhile"


def agree(what: str) -> None:
    """Ask before `what` happens. Raises InputError where nobody can be asked, Abort where the answer is no."""
    if not sys.stdin.isatty():
        raise InputError(f"{what}. Run again with --yes")
    click.confirm(f"{what}. Go on?", abort=True, err=True)


def replaced(session: Session) -> list[str]:
    """`host (container)` of everything that runs with another digest than the plan's."""
    if session.plan is None:
        return []
    hosts, deployment = session.plan.hosts, session.plan.deployment
    boxes = {(host.name, box.name): box.labels[DIGEST] for host in hosts for box in host.containers if box.image}
    with ThreadPoolExecutor(max_workers=max(1, min(len(hosts), 64))) as pool:
        listed = list(pool.map(lambda host: _running(session, host.name), hosts))
    return [
        f"{host.name} ({one.name})"
        for host, found in zip(hosts, listed, strict=True)
        for one in found
        if one.deployment == deployment and boxes.get((host.name, one.name), one.digest) != one.digest
    ]


def absent_outside(session: Session, limit: str) -> list[str]:
    """Hosts of the plan that `--limit` leaves out and that lack an engine or the proxy, as far as they can be asked."""
    from qcluster.inventory.patterns import select

    if not limit or session.plan is None:
        return []
    inside = set(select(session.inventory, "all", limit))
    asked = {host.name: {box.name for box in host.containers if box.image} for host in session.plan.hosts}
    proxy = session.plan.proxy
    if proxy and proxy.image:
        asked[proxy.host].add(proxy.container)
    return [
        host
        for host, boxes in asked.items()
        if host not in inside and boxes - {one.name for one in _running(session, host)}
    ]


def _running(session: Session, host: str) -> list[Listed]:
    question = containers()
    try:
        return [one for one in question.parse(session.fleet[host].run(question.command)) if one.running]
    except QclusterError:
        return []
