"""The report of verify-network for a terminal: one line a host, then the findings, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

MARKS = {"pass": "ok", "advisory": "note", "unknown": "UNKNOWN", "fail": "FAIL"}
COLOURS = {"pass": "32", "advisory": "36", "unknown": "33;1", "fail": "31;1"}
WIDTH = 110


def network_lines(report: Mapping[str, Any], colour: bool = False) -> Iterator[str]:
    """The whole report as lines without line ends."""
    width = max((len(host["name"]) for host in report["hosts"]), default=4)
    for host in report["hosts"]:
        yield f"{_mark(host['verdict'], colour)} {host['name']:<{width}}  {_host(host)}"
    for found in report["findings"]:
        yield ""
        yield from _finding(found, colour)
    yield ""
    yield _last(report, colour)


def _mark(verdict: str, colour: bool) -> str:
    text = f"{MARKS[verdict]:<7}"
    return f"\x1b[{COLOURS[verdict]}m{text}\x1b[0m" if colour else text


def _host(host: Mapping[str, Any]) -> str:
    if not host["hardware"]:
        return f"{host['address']}  (no NPUs: the host network only)"
    probes, npus = host["probes"], host["npus"]
    parts = [
        f"{host['hardware'].upper()}, {len(npus)} NPUs",
        f"link {_counted(npus, 'link')}",
        f"TLS {_counted(npus, 'tls')}",
        f"driver {host['driver'] or '?'}",
        f"probes {probes['passed']} of {probes['planned']} passed",
    ]
    return "  ".join(parts)


def _counted(npus: Sequence[Mapping[str, Any]], query: str) -> str:
    words = Counter(npu.get(query, "?") for npu in npus)
    return ", ".join(word if len(words) == 1 else f"{count} {word}" for word, count in words.most_common()) or "?"


def _finding(found: Mapping[str, Any], colour: bool) -> Iterator[str]:
    first, *rest = wrap(found["summary"], WIDTH - 8) or [""]
    yield f"{_mark(found['verdict'], colour)} {first}"
    yield from (f"        {line}" for line in rest)
    seen = [line.strip() for line in found["seen"].splitlines() if line.strip()]
    yield from (f"        | {line[: WIDTH - 10]}" for line in seen[:6])
    yield f"        cause   {found['cause']}  ({found['id']}; {found['source']})"
    yield f"        remedy  {found['remedy']}"


def _last(report: Mapping[str, Any], colour: bool) -> str:
    probes, findings = report["probes"], Counter(found["verdict"] for found in report["findings"])
    told = ", ".join(f"{count} {verdict}" for verdict, count in findings.items()) or "nothing found"
    counts = f"{probes['passed']} passed, {probes['failed']} failed, {probes['unknown']} unknown"
    elapsed = f"{report['elapsed_seconds']:.1f} s"
    return f"{_mark(report['verdict'], colour)} {probes['planned']} probes: {counts}; {told}; {elapsed}"
