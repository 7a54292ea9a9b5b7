"""How busy the engines of a deployment are: their `/metrics` and their hosts' npu-smi, over the hosts' connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from qcluster.cli.session import Session
from qcluster.errors import TaskFailed, UnreachableError, UnreadableOutput
from qcluster.facts import http, npu
from qcluster.facts.fact import ask
from qcluster.facts.metrics import Load, Reading, load, parse
from qcluster.report.status import Row, with_hbm

PATIENCE = 5.0
"""Seconds for one answer."""


class Meter:
    """Remembers each engine's last reading, so that the next look knows what happened in between."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic):
        self._session, self._clock = session, clock
        self._before: dict[str, tuple[Reading, float]] = {}

    def measured(self, rows: Sequence[Row]) -> list[Row]:
        """The rows with load and HBM, where they can be had. All hosts and engines are asked at once."""
        hosts = list(dict.fromkeys(one.host for one in rows if one.npus))
        seen = {one.host for one in rows if one.state != "unreachable"}
        with ThreadPoolExecutor(max_workers=max(1, min(64, len(rows) + len(hosts)))) as pool:
            tables = {name: pool.submit(self._npus, name) for name in hosts if name in seen}
            loads = list(pool.map(self._load, rows))
            told = {name: table.result() for name, table in tables.items()}
        return [with_hbm(replace(one, load=found), told.get(one.host)) for one, found in zip(rows, loads, strict=True)]

    def _load(self, one: Row) -> Load | None:
        if one.port is None or one.role == "proxy" or not one.serves:
            self._before.pop(one.instance, None)
            return None
        reading = self._reading(one, one.port)
        if reading is None:
            return None
        now = self._clock()
        before, at = self._before.get(one.instance, (None, now))
        self._before[one.instance] = reading, now
        return load(reading, before, now - at)

    def _reading(self, one: Row, port: int) -> Reading | None:
        assert self._session.plan
        address = next(item.address for item in self._session.plan.instances if item.name == one.instance)
        try:
            request = http.Request(address, port, "/metrics", timeout=PATIENCE)
            answer = http.ask(self._session.fleet[one.host].open_tcp, request)
            return parse(answer.text) if answer.ok else None
        except (UnreachableError, UnreadableOutput):
            return None

    def _npus(self, host: str) -> npu.NpuTable | None:
        try:
            return ask(self._session.fleet[host].run, npu.npu_info())
        except (UnreachableError, TaskFailed):
            return None
