"""From evidence, matrix and culprits to findings that an operator understands at three in the morning. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from qcluster.facts import hccn
from qcluster.facts.hccn import Trouble
from qcluster.facts.npu import SuperPod
from qcluster.network import checks_across, checks_host, checks_npu
from qcluster.network.culprits import Culprit
from qcluster.network.evidence import Evidence
from qcluster.network.findings import Finding, Npu, Verdict, finding, listed
from qcluster.network.matrix import Ends, Matrix, Result, State
from qcluster.spelling import counted

CUTTING = ("link-down", "address-missing", "vnic-missing", "duplicate-address")
"""Findings of the survey that explain why an NPU's probes fail."""


def survey_findings(evidence: Evidence) -> list[Finding]:
    """All checks that need no probes."""
    checks = (*checks_host.CHECKS, *checks_npu.CHECKS, *checks_across.CHECKS)
    return [item for check in checks for item in check(evidence)]


def explanation(evidence: Evidence, found: Iterable[Finding]) -> Callable[[Ends], bool]:
    """True for pairs whose failure the survey explains: an end is cut off, or the two do not fit together."""
    cut = {npu for item in found if item.id in CUTTING and item.verdict is Verdict.FAIL for npu in item.npus}
    tls = {npu: reading.on for npu, reading in evidence.values("tls", hccn.Tls)}
    pods = {
        Npu(host, npu): pod.pod
        for host, readings in evidence.npus.items()
        for npu, pod in readings.pods.items()
        if isinstance(pod, SuperPod)
    }

    def explained(ends: Ends) -> bool:
        differ = any(len({told[npu] for npu in ends if npu in told}) > 1 for told in (tls, pods))
        return differ or not cut.isdisjoint(ends)

    return explained


def probe_findings(
    evidence: Evidence, cells: Matrix, found: Sequence[Culprit], known: Sequence[Finding]
) -> Iterator[Finding]:
    """What the matrix adds to the survey."""
    for culprit in found:
        yield _lossy(culprit, cells) if culprit.lossy else _MAKE[culprit.kind](culprit, cells, evidence)
    yield from _unread(cells, known, evidence.limit)
    yield from _planes(cells)


def _seen(culprit: Culprit, cells: Matrix) -> str:
    ends = culprit.failed[0]
    return f"{ends.source} -> {ends.target}\n{cells[ends].seen}"


def _counts(culprit: Culprit, cells: Matrix) -> dict[str, Any]:
    return {"failed": len(culprit.failed), "tried": culprit.tried, "seen": _seen(culprit, cells)}


def _others(culprit: Culprit, end: int) -> str:
    """The hosts at one end of what failed; the culprit's own host only where there is no other."""
    abroad = [ends for ends in culprit.failed if not ends.inside] or culprit.failed
    return listed(sorted({ends[end].host for ends in abroad}))


def _npu_source(culprit: Culprit, cells: Matrix, evidence: Evidence) -> Finding:
    return finding("npu-source", culprit.suspect.what, unreached=_others(culprit, 1), **_counts(culprit, cells))


def _npu_target(culprit: Culprit, cells: Matrix, evidence: Evidence) -> Finding:
    return finding("npu-target", culprit.suspect.what, unreached=_others(culprit, 0), **_counts(culprit, cells))


def _npu_dead(culprit: Culprit, cells: Matrix, evidence: Evidence) -> Finding:
    return finding("npu-dead", culprit.suspect.what, **_counts(culprit, cells))


def _npu_pair(culprit: Culprit, cells: Matrix, evidence: Evidence) -> Finding:
    source, target = culprit.suspect.what
    return finding("npu-pair", (source, target), source=source, target=target, **_counts(culprit, cells))


def _host(culprit: Culprit, cells: Matrix, evidence: Evidence) -> Finding:
    what = {"host-out": "reaches nobody", "host-in": "is reached by nobody"}.get(
        culprit.kind, "neither reaches nor is reached"
    )
    (host,) = culprit.suspect.what
    ids = " ".join(map(str, evidence.chosen(host)))
    return finding("host", hosts=[host], what=what, ids=ids, **_counts(culprit, cells))


def _host_pair(culprit: Culprit, cells: Matrix, evidence: Evidence) -> Finding:
    source, target = culprit.suspect.what
    both = ", in neither direction" if culprit.kind == "host-pair-both" else ""
    words = {"source": source, "target": target, "both": both, **_counts(culprit, cells)}
    return finding("host-pair", hosts=[source, target], **words)


def _plane_index(culprit: Culprit, cells: Matrix, evidence: Evidence) -> Finding:
    (index,) = culprit.suspect.what
    npus = sorted({npu for ends in culprit.failed for npu in ends if npu.npu == index})
    return finding("plane-index", npus, index=index, **_counts(culprit, cells))


def _plane(culprit: Culprit, cells: Matrix, evidence: Evidence) -> Finding:
    fabric = {"hccs": "HCCS", "roce": "RoCE"}[evidence.fabric]
    return finding("plane", hosts=evidence.npu_hosts, fabric=fabric, **_counts(culprit, cells))


_MAKE: dict[str, Callable[[Culprit, Matrix, Evidence], Finding]] = {
    "npu-pair": _npu_pair,
    "npu-source": _npu_source,
    "npu-target": _npu_target,
    "npu-dead": _npu_dead,
    "host-pair": _host_pair,
    "host-pair-both": _host_pair,
    "host-out": _host,
    "host-in": _host,
    "host": _host,
    "plane-index": _plane_index,
    "plane": _plane,
}


def _lossy(culprit: Culprit, cells: Matrix) -> Finding:
    covered = [cells[ends] for ends in culprit.failed]
    sent, received = sum(cell.sent for cell in covered), sum(cell.received for cell in covered)
    percent = f"{100 * (sent - received) / sent:.0f} %"
    npus = [item for item in culprit.suspect.what if isinstance(item, Npu)]
    hosts = [item for item in culprit.suspect.what if isinstance(item, str)]
    words = {"lost": sent - received, "sent": sent, "percent": percent, "tried": len(covered)}
    return finding("packet-loss", npus, hosts, _seen(culprit, cells), where=_where(culprit), **words)  # type: ignore[arg-type]


def _where(culprit: Culprit) -> str:
    what = culprit.suspect.what
    return {
        "npu-pair": "from {0} to {1}",
        "npu-source": "on the way from {0}",
        "npu-target": "on the way to {0}",
        "npu-dead": "at {0}",
        "host-pair": "from {0} to {1}",
        "host-out": "on the way from {0}",
        "host-in": "on the way to {0}",
        "host": "at {0}",
    }.get(culprit.kind, "everywhere").format(*what)


def _unread(cells: Matrix, known: Sequence[Finding], limit: float) -> Iterator[Finding]:
    """Probes without an answer, by cause; hosts whose survey says the same already are not named again."""
    told = {(item.cause, host) for item in known for host in item.hosts}
    found: dict[str, list[Ends]] = {}
    for ends, cell in cells.items():
        if cell.state is State.UNKNOWN and told.isdisjoint((cell.trouble, npu.host) for npu in ends):
            found.setdefault(cell.trouble, []).append(ends)
    for cause, pairs in found.items():
        npus = tuple(dict.fromkeys(ends.source for ends in pairs))
        what = f"{counted(len(pairs), 'probe')}, first {pairs[0].source} to {pairs[0].target}"
        id_ = cause if cause in checks_npu.CAUSES else "unparsed"
        words: dict[str, Any] = {"what": what, "tool": "hccn_tool", "query": "ping", "limit": f"{limit:g}"}
        yield finding(id_, npus, seen=cells[pairs[0]].seen, **words)


def _planes(cells: Matrix) -> Iterator[Finding]:
    """hccs_ping that came back, with a plane check that is not right."""
    odd = {ends: cell.planes for ends, cell in cells.items() if any(cell.planes)}
    if odd:
        first = next(iter(odd))
        detail = hex(next(plane for plane in odd[first] if plane))
        yield finding("plane-check", sorted({n for ends in odd for n in ends}), seen=cells[first].seen, detail=detail)


def roce_findings(evidence: Evidence, results: Sequence[Result]) -> Iterator[Finding]:
    """The side probes over RoCE on A3: never more than an advisory."""
    failed = [result for result in results if isinstance(result.answer, Trouble) or not result.answer.passed]
    if failed:
        first = failed[0]
        detail = f"first {first.probe.source} to {first.probe.target}"
        npus = sorted({result.probe.source for result in failed})
        words = {"failed": len(failed), "tried": len(results), "detail": detail}
        yield finding("roce-advisory", npus, seen=first.seen, **words)  # type: ignore[arg-type]
