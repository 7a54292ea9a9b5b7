"""The report of verify-network as plain data (docs/schemas/verify-network.json), for `--json`, HTML and the journal."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from qcluster.facts import hccn
from qcluster.facts.hccn import Trouble
from qcluster.facts.npu import NpuTable
from qcluster.network.evidence import Evidence
from qcluster.network.findings import Finding, Npu, Verdict, finding, worst
from qcluster.network.host_plane import Knock
from qcluster.network.matrix import Result
from qcluster.network.probing import kind_of
from qcluster.network.topology import Topology
from qcluster.network.verify import Outcomes

SCHEMA = "qcluster/verify-network/1"


def document(outcomes: Outcomes, allow_unknown: bool = False) -> dict[str, Any]:
    """The whole report. `verdict` is what was found; `passed` is whether the run may go on."""
    verdict = worst(item.verdict for item in outcomes.findings)
    accepted = (Verdict.PASS, Verdict.UNKNOWN) if allow_unknown else (Verdict.PASS,)
    return {
        "schema": SCHEMA,
        "verdict": str(verdict),
        "passed": verdict in accepted,
        "fabric": outcomes.evidence.fabric,
        "probes": _probes(outcomes.results),
        "findings": [_finding(item) for item in outcomes.findings],
        "hosts": [_host(name, outcomes) for name in outcomes.topology.hosts],
        "matrix": [_cell(outcomes.evidence, result) for result in outcomes.results],
        "tcp": _tcp(outcomes.knocks),
        "expected_seconds": round(outcomes.expected, 1),
        "elapsed_seconds": round(outcomes.elapsed, 2),
    }


def nothing_reached(hosts: Sequence[str]) -> dict[str, Any]:
    """The report of a run in which no host answered: all unknown."""
    unreached = finding("host-unreachable", hosts=hosts, seen="", why="no host of the run answered")
    nowhere = Topology({}, (), ())
    return document(Outcomes(nowhere, Evidence(nowhere, {}), (unreached,)))


def _probes(results: Sequence[Result]) -> dict[str, int]:
    """Side probes over RoCE are not counted: they decide nothing."""
    states = Counter(_state(result) for result in results if not result.probe.roce)
    told = {"passed": states["pass"], "failed": states["fail"], "unknown": states["unknown"]}
    return {"planned": sum(told.values()), **told}


def _state(result: Result) -> str:
    if isinstance(result.answer, Trouble):
        return "unknown"
    return "pass" if result.answer.passed else "fail"


def _tcp(knocks: Sequence[Knock]) -> list[dict[str, Any]]:
    """One row for each directed host pair; of its ports only those that were not reached are listed."""
    pairs: dict[tuple[str, str], list[Knock]] = defaultdict(list)
    for knock in knocks:
        pairs[knock.source, knock.target].append(knock)
    return [
        {
            "source": source,
            "target": target,
            "tried": len(tries),
            "missed": [{"port": knock.port, "result": knock.word} for knock in tries if knock.word != "ok"],
        }
        for (source, target), tries in pairs.items()
    ]


def _npu(npu: Npu) -> dict[str, Any]:
    return {"host": npu.host, "npu": npu.npu}


def _finding(item: Finding) -> dict[str, Any]:
    return {
        "id": item.id,
        "cause": item.cause,
        "verdict": str(item.verdict),
        "summary": item.summary,
        "hosts": list(item.hosts),
        "npus": [_npu(npu) for npu in item.npus],
        "seen": item.seen,
        "remedy": item.remedy,
        "source": item.source,
    }


def _cell(evidence: Evidence, result: Result) -> dict[str, Any]:
    probe, answer = result.probe, result.answer
    told: dict[str, Any] = {"source": _npu(probe.source), "target": _npu(probe.target)}
    told |= {"kind": kind_of(evidence, probe), "advisory": probe.roce, "state": _state(result)}
    if isinstance(answer, Trouble):
        return {**told, "sent": probe.packets, "received": None, "tp95_us": None, "cause": answer.cause}
    return {**told, "sent": answer.sent, "received": answer.received, "tp95_us": answer.tp95, "cause": ""}


def _host(name: str, outcomes: Outcomes) -> dict[str, Any]:
    """One host's strip: its verdict and a word for each NPU and query."""
    evidence = outcomes.evidence
    verdicts = [item.verdict for item in outcomes.findings if name in item.hosts]
    verdict = next((v for v in Verdict if v in verdicts), Verdict.PASS)
    reading = evidence.hosts.get(name)
    return {
        "name": name,
        "address": outcomes.topology.hosts[name].address,
        "hardware": evidence.hardware(name) if name in evidence.npu_hosts else "",
        "driver": str(reading.driver) if reading and isinstance(reading.driver, str) else "",
        "verdict": str(verdict),
        "probes": _probes([r for r in outcomes.results if name in (r.probe.source.host, r.probe.target.host)]),
        "npus": _npus(name, evidence),
    }


def _npus(host: str, evidence: Evidence) -> list[dict[str, Any]]:
    readings = evidence.npus[host].readings if host in evidence.npus else {}
    reading = evidence.hosts.get(host)
    table = reading.table if reading and isinstance(reading.table, NpuTable) else None
    ids = sorted({*readings, *(evidence.chosen(host) if host in evidence.npu_hosts else ())})
    return [
        {
            "npu": npu,
            "health": table.by_physical[npu].health if table and npu in table.by_physical else "",
            **{query: _word(value) for query, value in readings.get(npu, {}).items()},
        }
        for npu in ids
    ]


_WORDS: Mapping[type[Any], Any] = {
    hccn.Link: lambda value: "UP" if value.up else "DOWN",
    hccn.NetHealth: lambda value: value.status,
    hccn.NetDetect: lambda value: value.address,
    hccn.Gateway: lambda value: value.address,
    hccn.Ip: lambda value: value.address,
    hccn.Vnic: lambda value: value.address,
    hccn.Lldp: lambda value: value.ifname,
    hccn.Tls: lambda value: "on" if value.on else "off",
    hccn.Optical: lambda value: "present" if value.present else "absent",
    Trouble: lambda value: f"({value.cause})",
}


def _word(value: Any) -> str:
    return str(_WORDS[type(value)](value))
