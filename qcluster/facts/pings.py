"""What `hccn_tool -ping` (RoCE) and `-hccs_ping` (A3 super-pod) say, in both their wordings.

Every line must be a known one and the summary must add up: a reading is never half understood.
Formats: hicann/driver `ds_net_ext.c` (ping), `tool_cmd.c` (hccs_ping).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from qcluster.facts.hccn import lines_of, refuse


@dataclass(frozen=True)
class Ping:
    """`-ping` or `-hccs_ping`. Times are in µs. `reason` is the tool's own line when nothing came back."""

    sent: int
    received: int
    tp95: float | None = None
    worst: float | None = None
    planes: tuple[int, ...] = ()
    reason: str = ""

    @property
    def passed(self) -> bool:
        return 0 < self.sent == self.received

    @property
    def loss(self) -> float:
        """Percent."""
        return 100.0 * (self.sent - self.received) / self.sent if self.sent else 100.0


_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received, (\d+(?:\.\d+)?)% packets? loss")
_RECEIVED = re.compile(r"recv seq[= ]\d+, ?time ?= ?([\d.]+)(ms|us)(?:, L1 plane check result = 0x([0-9a-fA-F]+))?")
_STATISTIC = re.compile(r"(max|min|average|TP95) time ?[:=]? ?([\d.]+) ?us")
_NOISE = re.compile(r"device \d+ PING [\d.]+|This pkt ping success!|recv time ?out seq[= ]\d+")
_LOST = re.compile(
    r"Destination Host Unreachable|Message too long|This pkt send fail!|This pkt check recv msg fail!"
    r"|This pkt ping not start to send!|Execute failed: Link status is down\."
)


@dataclass
class _Reading:
    """The lines seen so far; times in µs."""

    times: list[float] = field(default_factory=list)
    planes: list[int] = field(default_factory=list)
    statistics: dict[str, float] = field(default_factory=dict)
    summary: re.Match[str] | None = None
    lost: str = ""


def ping(text: str) -> Ping:
    """Read the answer of `-ping` or `-hccs_ping`. Raises `UnreadableOutput`."""
    reading = _Reading()
    for line in lines_of("-ping", text):
        _read_line(reading, line, text)
    sent, received = _counts(reading, text)
    worst = reading.statistics.get("max", max(reading.times, default=None))
    tp95 = reading.statistics.get("TP95", _tp95(reading.times))
    return Ping(sent, received, tp95, worst, tuple(reading.planes), reading.lost)


def _read_line(reading: _Reading, line: str, text: str) -> None:
    if found := _RECEIVED.fullmatch(line):
        reading.times.append(_number(found[1], text) * (1000 if found[2] == "ms" else 1))
        reading.planes += [int(found[3], 16)] if found[3] else []
    elif found := _SUMMARY.fullmatch(line):
        reading.summary = found
    elif _LOST.search(line):
        reading.lost = reading.lost or line
    elif numbers := _STATISTIC.findall(line):
        reading.statistics |= {name: _number(value, text) for name, value in numbers}
    elif not _NOISE.fullmatch(line):
        raise refuse("-ping: a line of unknown form", text)


def _number(word: str, text: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise refuse("-ping", text) from None


def _counts(reading: _Reading, text: str) -> tuple[int, int]:
    summary = reading.summary
    if summary is None and reading.lost:
        return 1, 0
    if summary is None:
        raise refuse("-ping: no summary", text)
    sent, received, percent = int(summary[1]), int(summary[2]), float(summary[3])
    if not 0 < sent >= received or abs(100 * (sent - received) / sent - percent) > 0.02:
        raise refuse("-ping: the summary does not add up", text)
    return sent, received


def _tp95(times: Sequence[float]) -> float | None:
    return sorted(times)[math.ceil(0.95 * len(times)) - 1] if times else None
