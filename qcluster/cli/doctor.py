"""`qcluster doctor`: what runs on all hosts and what their logs say, or one file; the most likely cause first."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TextIO

import click

from qcluster.cli.options import RunFlags, which_inventory
from qcluster.cli.session import Choice, Session, opened
from qcluster.cli.status import proof_of, survey
from qcluster.diagnose.doctor import Finding, as_json, examine, leftovers, stray, told
from qcluster.errors import QclusterError, worst_exit
from qcluster.facts import docker
from qcluster.facts.evidence import Excerpt, evidence
from qcluster.report.ailing import absent, ailing, starting, taken_down
from qcluster.report.standing import current


@click.command()
@click.argument("inventory_path", required=False, default=None, metavar="[INVENTORY]")
@which_inventory
@click.option("--log", "log_file", type=click.File("r", errors="replace"), help="Read this file instead (- is stdin).")
@click.option(
    "--where",
    type=click.Choice(["engine", "plog", "proxy", "docker", "network", "launcher"]),
    default="engine",
    help="What kind of log --log is.",
)
@click.option("--clean", is_flag=True, help="End leftovers that carry this deployment's label, and nothing else.")
@click.option("--json", "json_out", is_flag=True, help="As JSON.")
def doctor(
    inventory_path: str | None,
    inventory_option: str | None,
    log_file: TextIO | None,
    where: str,
    clean: bool,
    json_out: bool,
) -> int:
    """Say what is most likely wrong, and what to do. Exit code 1 when something is."""
    if log_file is not None:
        excerpt = Excerpt(where, str(log_file.name), tuple(log_file.read().splitlines()))
        return _show(examine({"": [excerpt]}), json_out)
    with opened(Choice(inventory_path, inventory_option), RunFlags()) as session:
        found, errors = _ask(session)
        left = [text for host, excerpts in found.items() for text in _left(session, host, excerpts)]
        if clean:
            _clean(session, found)
        seen = replace(_seen(session, found), leftovers=tuple(left), unreached=tuple(str(error) for error in errors))
        return worst_exit([_show(seen, json_out), *(error.exit_code for error in errors)])


def _seen(session: Session, found: dict[str, tuple[Excerpt, ...]]) -> Finding:
    """What the logs say, in the light of what runs: an engine that was taken down is not ill."""
    rows = survey(session, say=lambda _: None)
    proof = proof_of(session)
    why = f"{proof}: {proof.why}" if proof and proof.why and current(proof, rows, time.time()) else ""
    if absent(rows):
        click.echo(f"nothing of this deployment runs: `qcluster up {session.path}` starts it", err=True)
    for line in starting(rows):
        click.echo(line, err=True)
    ill = ailing(rows, str(session.path))
    return replace(examine(found, taken_down(rows)), ailing=ill, proof=why)


def _show(finding: Finding, json_out: bool) -> int:
    click.echo(json.dumps(as_json(finding), indent=2) if json_out else "\n".join(told(finding)))
    return 1 if finding.sick else 0


def _ask(session: Session) -> tuple[dict[str, tuple[Excerpt, ...]], list[QclusterError]]:
    """Every host's excerpts, and why some gave none."""
    assert session.plan is not None
    hosts = session.plan.hosts
    deployment = session.plan.deployment

    def one(index: int) -> tuple[Excerpt, ...] | QclusterError:
        question = evidence(hosts[index].state_dir, deployment, docker.LISTING)
        try:
            return question.parse(session.fleet[hosts[index].name].run(question.command))
        except QclusterError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(1, min(len(hosts), 64))) as pool:
        answers = list(pool.map(one, range(len(hosts))))
    found = {host.name: answer for host, answer in zip(hosts, answers, strict=True) if isinstance(answer, tuple)}
    return found, [answer for answer in answers if isinstance(answer, QclusterError)]


def _planned(session: Session, host: str) -> list[str]:
    assert session.plan is not None
    names = [box.name for part in session.plan.hosts if part.name == host for box in part.containers]
    proxy = session.plan.proxy
    return [*names, *([proxy.container] if proxy and proxy.host == host else [])]


def _left(session: Session, host: str, excerpts: Sequence[Excerpt]) -> list[str]:
    assert session.plan is not None
    return leftovers(host, excerpts, _planned(session, host), session.plan.deployment)


def _clean(session: Session, found: dict[str, tuple[Excerpt, ...]]) -> None:
    """Remove containers of this deployment that its plan does not have."""
    assert session.plan is not None
    for host in found:
        question = docker.containers()
        boxes = question.parse(session.fleet[host].run(question.command))
        mine = [one for one in boxes if one.deployment == session.plan.deployment]
        names = [one.name for one in stray(mine, _planned(session, host))]
        if names:
            session.fleet[host].run(docker.remove(*names))
            click.echo(f"{host}: removed {', '.join(names)}", err=True)
