"""One sentence on a deployment: how much of it serves, whether that is proven, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from qcluster.facts.proven import Proof
from qcluster.report.status import Row

ALIVE = ("running", "unknown", "unreachable")
"""States in which something may run."""
SLACK = 2
"""Seconds by which an age that a host tells in whole seconds may be off."""


def standing(deployment: str, inventory: str, rows: Sequence[Row], proof: Proof | None, now: float) -> str:
    """For people; `now` as the proof's `at`."""
    if rows and all(one.state == "absent" for one in rows):
        return f"{deployment}: not running; `qcluster up {inventory}` starts it"
    if rows and not any(one.state in ALIVE for one in rows):
        again = f"`qcluster up {inventory}` starts it again, `qcluster down {inventory}` removes what is left"
        return f"{deployment}: stopped; {again}"
    healthy = f"{sum(one.serves for one in rows)} of {len(rows)} healthy"
    return f"{deployment}: {healthy}; {_told(proof, rows, now)}{_next(inventory, rows)}"


def current(proof: Proof, rows: Sequence[Row], now: float) -> bool:
    """Whether the proof is of what runs now: all of it runs, and nothing has started since."""
    ages = [one.age for one in rows if one.age is not None]
    return all(one.state in ALIVE for one in rows) and all(now - age <= proof.at + SLACK for age in ages)


def _told(proof: Proof | None, rows: Sequence[Row], now: float) -> str:
    if proof is None:
        return "never proven"
    return f"last proof {proof}" if current(proof, rows, now) else f"not proven as it runs now (last proof {proof})"


def _next(inventory: str, rows: Sequence[Row]) -> str:
    if any(one.state not in ALIVE for one in rows):
        return f"; `qcluster up {inventory}` starts what does not run"
    down = any(one.state == "running" and one.health == "down" for one in rows)
    return f"; `qcluster doctor {inventory}` looks for the reason" if down else ""
