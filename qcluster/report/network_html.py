"""What verify-network found as pictures: the heat map of all probes, zooming from hosts to NPUs, and its page."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from qcluster.report import page
from qcluster.report.foremost import foremost

VERDICTS = {
    "pass": ("pass", "The network passes."),
    "fail": ("fail", "The network is broken. Do not start anything on it."),
    "unknown": ("unknown", "Something could not be judged. Unknown is never a pass."),
}

WIDTH = 880
"""Pixels for the heat map of all hosts."""
LEGIBLE = 14
"""Pixels that a name needs."""

QUERIES = ("health", "link", "net_health", "ip", "vnic", "gateway", "netdetect", "lldp", "tls", "optical")


def network_page(report: Mapping[str, Any], where: str = "") -> str:
    """The report (docs/schemas/verify-network.json) as HTML; `where` says when it was made, and of what."""
    kind, sentence = VERDICTS[report["verdict"]]
    return page.render("network.html.j2", report=report, where=where, kind=kind, sentence=sentence, heat=heat(report))


def heat(report: Mapping[str, Any]) -> dict[str, Any]:
    """What templates/matrix.html.j2 draws. `size` is the edge of a cell in pixels, `data` is for the page's script.

    Of many hosts, `every`th name is written at the edge: the others would not fit.
    """
    names = [host["name"] for host in report["hosts"] if host["hardware"]]
    size = max(6, min(46, WIDTH // max(1, len(names))))
    strips = [_strip(host, report["findings"]) for host in report["hosts"]]
    return {
        "names": names,
        "size": size,
        "every": max(1, math.ceil(LEGIBLE / size)),
        "rows": _rows(report["matrix"], names),
        "strips": foremost(strips, lambda strip: sum(npu["state"] != "pass" for npu in strip["npus"])),
        "data": _embedded(report, names),
    }


def _rows(matrix: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[list[dict[str, Any]]]:
    """The heat map of hosts: one row a source, one cell a target."""
    pairs: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for cell in matrix:
        if not cell["advisory"]:
            pairs[cell["source"]["host"], cell["target"]["host"]].append(cell)
    return [[_cell(source, target, pairs[source, target]) for target in names] for source in names]


def _cell(source: str, target: str, probes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = {state: sum(probe["state"] == state for probe in probes) for state in ("pass", "fail", "unknown")}
    state = next((state for state in ("fail", "unknown", "pass") if counts[state]), "none")
    state = "some" if state == "fail" and counts["pass"] else state
    slowest = max((probe["tp95_us"] for probe in probes if probe["tp95_us"] is not None), default=None)
    told = f"{counts['pass']} of {len(probes)} probes passed" if probes else "not probed"
    if counts["unknown"]:
        told += f", {counts['unknown']} unknown"
    if slowest is not None:
        told += f", TP95 up to {slowest:.1f} µs"
    return {"source": source, "target": target, "state": state, "told": told, "probed": bool(probes)}


def _strip(host: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One host's NPUs, each with the worst that was found of it."""
    order = ("fail", "unknown", "advisory")
    npus = []
    for npu in host["npus"]:
        place = {"host": host["name"], "npu": npu["npu"]}
        verdicts = [found["verdict"] for found in findings if place in found["npus"]]
        state = next((verdict for verdict in order if verdict in verdicts), "pass")
        told = [f"{query.replace('_', ' ')}: {npu[query] or '–'}" for query in QUERIES if query in npu]
        npus.append({"npu": npu["npu"], "state": state, "told": "\n".join(told)})
    return {"host": host, "npus": npus}


def _embedded(report: Mapping[str, Any], names: Sequence[str]) -> str:
    """The probes for the page's script, small, and safe inside a script element."""
    place = {name: index for index, name in enumerate(names)}
    probes = [
        [
            place[cell["source"]["host"]], cell["source"]["npu"], place[cell["target"]["host"]], cell["target"]["npu"],
            cell["kind"], cell["state"], cell["sent"], cell["received"], cell["tp95_us"], cell["cause"],
        ]
        for cell in report["matrix"]
        if not cell["advisory"] and cell["source"]["host"] in place and cell["target"]["host"] in place
    ]  # fmt: skip
    npus = {host["name"]: [npu["npu"] for npu in host["npus"]] for host in report["hosts"]}
    text = json.dumps({"names": list(names), "npus": [npus[name] for name in names], "probes": probes})
    return text.replace("<", "\\u003c")
