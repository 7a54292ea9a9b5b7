"""`qcluster status --watch`: how busy engines are, until Ctrl-C, which is a good end (issue 6)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from qcluster.cli import status
from qcluster.facts.metrics import Load
from qcluster.facts.npu import Npu, NpuTable
from qcluster.report.status import Row, with_hbm
from qcluster.report.watch import watch_lines

BUSY = Load(3, 2, 41.0, 312.4, 28.31, 1500.0, None, 7)
PREFILL = Row("p-0", "prefill", "p", (0, 1), 7100, "box", "running", 61, "complete", "ok", 61000, 131072, BUSY)
LOADING = Row("p-1", "prefill", "p", (2, 3), 7101, "box", "running", 5, "weights 1/4", "starting")
PROXY = Row("proxy", "proxy", "p", (), 8000, "box-proxy", "running", 5, "complete", "ok")


def test_the_table_shows_load_and_hbm_and_sums_a_role() -> None:
    slow = replace(PREFILL, instance="p-2", load=replace(BUSY, ttft_ms=2500.0, tpot_ms=None))
    lines = [" ".join(line.split()) for line in watch_lines([PREFILL, LOADING, slow, PROXY], "that is all")]
    assert lines == [
        "INSTANCE HEALTH RUN WAIT KV% TTFT TPOT IN/S OUT/S HBM GB",
        "p-0 ok 3 2 41.0 312ms 28ms 1500 - 60/128",
        "p-1 weights 1/4 - - - - - - - -",
        "p-2 ok 3 2 41.0 2.5s - 1500 - 60/128",
        "proxy ok - - - - - - - -",
        "all prefill 2/3 ok 6 4 41.0 2.5s 28ms 3000 - 119/256",
        "that is all",
    ]


def test_on_a_low_terminal_what_is_well_is_left_out_first() -> None:
    many = [replace(PREFILL, instance=f"p-{i}") for i in range(300)]
    many[200] = replace(LOADING, instance="p-200")
    lines = watch_lines(many, "that is all", height=23)
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("p-200  ") for line in lines)
    assert lines[-2] == "… and 281 more: 281 ok"


def test_hbm_is_told_only_where_all_npus_of_the_process_are_seen() -> None:
    table = NpuTable("25.5", tuple(Npu(i // 2, i % 2, i, "910", "OK", "", 3000 + i, 65536) for i in range(2)))
    bare = replace(PREFILL, hbm_used_mb=None, hbm_total_mb=None)
    assert (with_hbm(bare, table).hbm_used_mb, with_hbm(bare, table).hbm_total_mb) == (6001, 131072)
    assert with_hbm(LOADING, table).hbm_used_mb is None
    assert with_hbm(bare, None).hbm_used_mb is None


def test_ctrl_c_ends_watching_with_0_after_two_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def opened(*_: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(plan=SimpleNamespace(deployment="demo"), path="demo.yaml")

    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(status, "opened", opened)
    monkeypatch.setattr(status, "survey", lambda session: [])
    monkeypatch.setattr(status, "proof_of", lambda session: None)
    monkeypatch.setattr("time.sleep", sleep)
    function = status.status.callback
    assert function is not None
    assert function(None, None, False, True, 3.0) == 0
    assert waits == [3.0, 3.0]
    assert capsys.readouterr().out.count("demo: 0 of 0 healthy; never proven") == 2
