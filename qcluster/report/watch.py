"""`qcluster status --watch`: how busy a deployment is, as a table that fits a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from qcluster.facts.metrics import Load
from qcluster.report.status import Row, aligned

HEADINGS = ("INSTANCE", "HEALTH", "RUN", "WAIT", "KV%", "TTFT", "TPOT", "IN/S", "OUT/S", "HBM GB")
UNKNOWN = "-"


def watch_lines(rows: Sequence[Row], last: str, height: int = 0) -> list[str]:
    """The table with a line of sums for each role, then `last`. With a `height` (lines) what is well is left out first.

    TTFT and TPOT are means, IN/S and OUT/S tokens a second, since the look before; at the first look since the start.
    """
    room = height - 3 - len({one.role for one in rows}) if height else len(rows)
    shown = sorted(rows, key=lambda one: one.health == "ok")[: max(1, room)]
    kept = [one for one in rows if one in shown]
    hidden = len(rows) - len(kept)
    more = [f"… and {hidden} more: {_healths(one for one in rows if one not in shown)}"] if hidden else []
    return [*aligned([HEADINGS, *map(_cells, kept), *_sums(rows)]), *more, last]


def _healths(rows: Iterable[Row]) -> str:
    words = sorted(one.health for one in rows)
    return ", ".join(f"{len(list(own))} {word}" for word, own in groupby(words))


def _cells(one: Row) -> tuple[str, ...]:
    health = one.health if one.health != "starting" else one.milestone
    return one.instance, health, *_load(one.load), _hbm(one.hbm_used_mb, one.hbm_total_mb)


def _load(load: Load | None) -> tuple[str, ...]:
    if load is None:
        return (UNKNOWN,) * 7
    return (
        str(load.running),
        str(load.waiting),
        f"{load.kv_cache_percent:.1f}",
        _time(load.ttft_ms),
        _time(load.tpot_ms),
        _number(load.prompt_tokens_per_second),
        _number(load.generated_tokens_per_second),
    )


def _time(ms: float | None) -> str:
    if ms is None:
        return UNKNOWN
    return f"{ms / 1000:.1f}s" if ms >= 1000 else f"{ms:.0f}ms" if ms >= 10 else f"{ms:.1f}ms"


def _number(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value / 1000:.0f}k" if value >= 10_000 else f"{value:.0f}"


def _hbm(used: int | None, total: int | None) -> str:
    return UNKNOWN if used is None or total is None else f"{used / 1024:.0f}/{total / 1024:.0f}"


def _sums(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """Requests and tokens are summed; of the KV caches and times the worst one is shown."""
    for role in dict.fromkeys(one.role for one in rows):
        own = [one for one in rows if one.role == role]
        loads = [one.load for one in own if one.load]
        if len(own) > 1:
            well = sum(one.serves for one in own)
            used = [one.hbm_used_mb for one in own if one.hbm_used_mb is not None]
            total = [one.hbm_total_mb for one in own if one.hbm_total_mb is not None]
            hbm = _hbm(sum(used), sum(total)) if used else UNKNOWN
            yield f"all {role}", f"{well}/{len(own)} ok", *_load(_together(loads)), hbm


def _together(loads: Sequence[Load]) -> Load | None:
    if not loads:
        return None
    return Load(
        running=sum(one.running for one in loads),
        waiting=sum(one.waiting for one in loads),
        kv_cache_percent=max(one.kv_cache_percent for one in loads),
        ttft_ms=_known(max, (one.ttft_ms for one in loads)),
        tpot_ms=_known(max, (one.tpot_ms for one in loads)),
        prompt_tokens_per_second=_known(sum, (one.prompt_tokens_per_second for one in loads)),
        generated_tokens_per_second=_known(sum, (one.generated_tokens_per_second for one in loads)),
        finished=sum(one.finished for one in loads),
    )


def _known(combine: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return combine(known) if known else None
