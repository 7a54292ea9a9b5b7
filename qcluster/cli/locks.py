"""Giving a deployment's lock back at the end of a run, however it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qcluster.cli.session import Session


@contextmanager
def unlocking(session: Session, what: str) -> Iterator[None]:
    """Release on the way out what the run's playbook locked. A host that is gone keeps its lock: stale from then on."""
    from qcluster.modules.deployment_lock import owner, release

    mine = owner(what)
    try:
        yield
    finally:
        hosts = session.plan.hosts if session.plan else ()
        folders = {host.name: host.state_dir for host in hosts if host.name not in session.unreachable}
        release(session.fleet, folders, mine)
