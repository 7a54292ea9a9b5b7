"""`qcluster status`: what the hosts said, as rows for a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from qcluster.diagnose import milestones
from qcluster.facts.instances import Engine, Running
from qcluster.facts.metrics import Load
from qcluster.facts.npu import NpuTable


@dataclass(frozen=True)
class Row:
    """One process. `health` is ok, starting, down or unknown; `age` in seconds, None where it does not run."""

    instance: str
    role: str
    host: str
    npus: tuple[int, ...]
    port: int | None
    container: str
    state: str
    age: int | None
    milestone: str
    health: str
    hbm_used_mb: int | None = None
    """Of its NPUs together, as npu-smi says; None where that could not be asked."""
    hbm_total_mb: int | None = None
    load: Load | None = None
    """What its `/metrics` say; None where it has none (the proxy, a headless engine) or does not answer."""

    @property
    def serves(self) -> bool:
        return self.health == "ok"


@dataclass(frozen=True)
class Expected:
    """One process as the plan has it."""

    name: str
    role: str
    host: str
    npus: tuple[int, ...]
    port: int | None
    container: str
    native: bool = False
    """Without docker: a process group on the host itself."""


def row(expected: Expected, found: Running | None, healthy: bool) -> Row:
    """`found` is None where the host could not be asked; `healthy`: `/health` (the proxy: `/healthcheck`) said 200."""
    given = expected.name, expected.role, expected.host, expected.npus, expected.port, expected.container
    if found is None:
        return Row(*given, "unreachable", None, "", "unknown")
    engine = next((one for one in found.engines if one.name == expected.name), None)
    if found.silent and not expected.native:
        return Row(*given, "unknown", None, "", "unknown")
    state = _state(expected, found, engine)
    age = engine.age if engine and state == "running" else None
    if healthy:
        return Row(*given, state, age, milestones.COMPLETE.label, "ok")
    position = milestones.follow(engine.tail if engine else ())
    over = position.milestone is milestones.COMPLETE
    if state == "running":
        return Row(*given, state, age, position.text, "down" if over else "starting")
    # how far a start came before it ended says why; that what is gone once was complete says nothing
    silent = over or state == "absent" or expected.role == "proxy"
    return Row(*given, state, age, "" if silent else position.text, "down")


def with_hbm(one: Row, table: NpuTable | None) -> Row:
    """The row with the HBM of its NPUs, where npu-smi lists all of them."""
    known = table.by_physical if table else {}
    own = [known[npu] for npu in one.npus if npu in known]
    if not own or len(own) != len(one.npus):
        return one
    return replace(one, hbm_used_mb=sum(npu.hbm_used for npu in own), hbm_total_mb=sum(npu.hbm_total for npu in own))


def _state(expected: Expected, found: Running, engine: Engine | None) -> str:
    """A process is in its container, which then says whether it can run; without one, the host sees it or not.

    A container of that name may be left from before, when the deployment ran in docker: it says nothing then.
    """
    own = [] if expected.native else [one for one in found.containers if one.name == expected.container]
    container = own[0] if own else None
    if container is None and not expected.native:
        return "absent"
    if engine is None or engine.state == "never":
        return container.state if container else "absent"
    if engine.state == "exited":
        return f"exited {engine.exit}"
    running = container.running if container else engine.state == "running"
    return "running" if running else "stopped"


HEADINGS = ("INSTANCE", "HOST", "NPUS", "PORT", "CONTAINER", "STATE", "AGE", "MILESTONE", "HEALTH")


def table(rows: Iterable[Row]) -> list[str]:
    """Aligned columns, one line a process."""
    return aligned([HEADINGS, *(_cells(one) for one in rows)])


def _cells(one: Row) -> tuple[str, ...]:
    npus = compact(one.npus) or "-"
    port = "-" if one.port is None else str(one.port)
    age = "-" if one.age is None else duration(one.age)
    return one.instance, one.host, npus, port, one.container or "-", one.state, age, one.milestone or "-", one.health


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; wide (CJK) characters count twice."""
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = ([cell + " " * (widths[i] - _width(cell)) for i, cell in enumerate(row)] for row in rows)
    return ["  ".join(cells).rstrip() for cells in padded]


def _width(text: str) -> int:
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def compact(numbers: Sequence[int]) -> str:
    """`0-3,8` for 0 1 2 3 8."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def duration(seconds: int) -> str:
    """The two largest units: `45s`, `3m20s`, `5h02m`, `12d4h`."""
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 86400}d{seconds % 86400 // 3600}h"


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [asdict(one) for one in rows]
