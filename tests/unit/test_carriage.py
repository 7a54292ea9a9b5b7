"""Bytes that arrive, as an operator reads them."""

from __future__ import annotations

import pytest

from qcluster.events import Event, Progress
from qcluster.modules.base import Reach
from qcluster.modules.carriage import Carriage, clock, size, told
from qcluster.transport.local import LocalTransport


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (4096, "4.1 kB"), (30e9, "30 GB"), (123.4e6, "123 MB")]
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(7, "0:07"), (84, "1:24"), (7500, "2:05:00")])
def test_times(seconds: int, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("done", "total", "speed", "exact", "text"),
    [
        (12_300_000_000, 30_000_000_000, 210e6, True, "12.3 GB of 30 GB, 210 MB/s, 1:24 left"),
        (12_300_000_000, 30_000_000_000, 0.0, False, "12.3 GB of about 30 GB"),
        (5000, 30_000_000_000, 80.0, False, "5 kB of about 30 GB, 80 B/s"),
        (5_000_000, 0, 1e6, False, "5 MB, 1 MB/s"),
    ],
)
def test_sentences(done: int, total: int, speed: float, exact: bool, text: str) -> None:
    assert told(done, total, speed, exact) == text


def test_the_rate_is_that_of_late_and_words_of_the_job_are_passed_on() -> None:
    events: list[Event] = []
    clocks = iter([0.0, 0.0, 10.0, 10.0, 100.0, 100.0, 110.0, 110.0, 111.0])
    transport = LocalTransport("h")
    carriage = Carriage(
        Reach(transport, {}, lambda _: {}, (), events.append, lambda _: None, lambda: next(clocks)), "x"
    )
    for line in (
        "bytes 0 1000000",
        "bytes 500000 1000000",
        "bytes 600000 1000000",
        "bytes 700000 1000000",
        "hashing 9",
    ):
        carriage.on_line(line)
    carriage.on_line("Downloading [config.json]: 100%")
    texts = [event.text for event in events if isinstance(event, Progress)]
    assert texts == [
        "0 B of 1 MB",
        "500 kB of 1 MB, 50 kB/s, 0:10 left",
        "600 kB of 1 MB",
        "700 kB of 1 MB, 10 kB/s, 0:30 left",
        "hashing 9",
    ]
