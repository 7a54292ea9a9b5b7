"""`qcluster status --watch` goes on until Ctrl-C, and that is a good end (issue 6)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from qcluster.cli import status


def test_ctrl_c_ends_watching_with_0_after_two_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def opened(*_: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(plan=SimpleNamespace(deployment="demo"))

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
    assert function(None, None, False, 3.0) == 0
    assert waits == [3.0, 3.0]
    assert capsys.readouterr().out.count("demo: 0 of 0 healthy; never proven") == 2
