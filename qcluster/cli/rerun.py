"""`--rerun-failed`: the hosts of the last run that are worth another one."""

from __future__ import annotations

from pathlib import Path

from qcluster.errors import InputError
from qcluster.report.journal import failed_hosts


def failed_before(root: Path, playbook: str, inventory: str, limit: str) -> str:
    """The pattern of the hosts that failed in the last run. Raises InputError where there is none: never all hosts."""
    if limit:
        raise InputError("--rerun-failed and --limit both choose the hosts: give one of them")
    failed = failed_hosts(root, playbook, inventory)
    if failed is None:
        raise InputError(f"--rerun-failed: no finished run of {playbook} over {inventory} is in {root}")
    if not failed:
        raise InputError(f"--rerun-failed: no host failed in the last run of {playbook} over {inventory}")
    return ",".join(failed)
