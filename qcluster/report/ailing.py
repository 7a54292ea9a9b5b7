"""What does not serve of a deployment, instance by instance: how each is seen, and the command that helps. Pure."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from qcluster.report.status import Row

UNASKED = ("unknown", "unreachable")
"""States of what could not be asked: why is told of the host."""
ORDERED = ("absent", "exited 143")
"""States of what was taken down, or never started: nothing of it is left, or SIGTERM ended it."""


def ailing(rows: Sequence[Row], inventory: str) -> tuple[str, ...]:
    """A line for each process that should serve and does not. A deployment of which nothing is there ails nowhere."""
    if absent(rows):
        return ()
    return tuple(_line(one, inventory) for one in rows if one.health == "down" and one.state not in UNASKED)


def absent(rows: Sequence[Row]) -> bool:
    """Whether nothing of the deployment is there at all."""
    return bool(rows) and all(one.state == "absent" for one in rows)


def taken_down(rows: Iterable[Row]) -> frozenset[str]:
    """Instances that ended because somebody told them to: how they ended is no failure."""
    return frozenset(one.instance for one in rows if one.state in ORDERED)


def starting(rows: Iterable[Row]) -> Iterator[str]:
    """A line for each process that is still on its way."""
    for one in rows:
        if one.health == "starting":
            yield f"{one.instance} on {one.host} is still starting: {one.milestone}"


def _line(one: Row, inventory: str) -> str:
    return f"{one.instance} on {one.host} {_seen(one)}; {_remedy(one, inventory)}"


def _seen(one: Row) -> str:
    if one.state == "running":
        return "runs, and its health check does not answer with 200"
    if one.state.startswith("exited "):
        return f"has ended with exit code {one.state.removeprefix('exited ')}{_signal(one.state)}"
    return "is not there" if one.state == "absent" else f"does not run ({one.state})"


def _signal(state: str) -> str:
    """Which signal an exit code above 128 tells of. SIGKILL is what the kernel sends where memory is short."""
    with suppress(ValueError):
        name = signal.Signals(int(state.split()[-1]) - 128).name
        return f" ({name}: out of memory? dmesg on its host)" if name == "SIGKILL" else f" ({name})"
    return ""


def _remedy(one: Row, inventory: str) -> str:
    if one.state == "absent":
        return f"`qcluster up {inventory}` starts it"
    logs = f"`qcluster logs {one.instance}` shows why"
    if one.state == "running" and one.role != "proxy":
        return f"{logs}; then `qcluster restart {one.instance}`"
    return f"{logs}; `qcluster up {inventory}` starts it again"
