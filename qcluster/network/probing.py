"""The probes as a question to one host, and its answer as results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from qcluster.command import Command
from qcluster.facts import hccn
from qcluster.facts.frames import Patience, framed, read_frames
from qcluster.facts.hccn import Trouble
from qcluster.facts.pings import Ping, ping
from qcluster.network.evidence import HCCS, ROCE, Evidence
from qcluster.network.findings import Npu
from qcluster.network.matrix import Result
from qcluster.network.schedule import SECONDS, Probe
from qcluster.result import Outcome

SCRIPT = r"""
hccn=$(on_path hccn_tool "${QCLUSTER_LAB_ROOT-}/usr/local/Ascend/driver/tools/hccn_tool") || hccn=hccn_tool
while read -r key npu kind address packets; do
  case $kind in
    hccs) ask "$key" "$npu" "$hccn" -i "$npu" -hccs_ping -g address "$address" cnt "$packets";;
    roce) ask "$key" "$npu" "$hccn" -i "$npu" -ping -g address "$address";;
  esac
done <<'PROBES'
@LINES@
PROBES
"""

ROCE_PACKETS = 3
"""What `-ping` sends; it takes no number."""


def seconds_each(fabric: str) -> float:
    return SECONDS[fabric]


def kind_of(evidence: Evidence, probe: Probe) -> str:
    return ROCE if probe.roce else evidence.fabric


def probe_question(evidence: Evidence, lane: Sequence[Probe], patience: Patience) -> Command:
    """One host's probes in one script. Those to NPUs without an address are not sent."""
    lines = [_line(evidence, number, probe) for number, probe in enumerate(lane) if not _unsent(evidence, probe)]
    whole = 60 + sum(2 * probe.packets for probe in lane) + 3 * patience.question
    return framed(SCRIPT.replace("@LINES@", "\n".join(lines)), patience=replace(patience, whole=whole))


def _line(evidence: Evidence, number: int, probe: Probe) -> str:
    """Numbers, a known word and an IPv4 address: nothing that a shell could misread."""
    kind = kind_of(evidence, probe)
    address = evidence.address(probe.target, kind)
    return f"p/{number} {probe.source.npu:d} {kind} {IPv4Address(address)} {probe.packets:d}"


def read_probes(evidence: Evidence, lane: Sequence[Probe], outcome: Outcome | None) -> list[Result]:
    """One result for each probe; a host that did not answer leaves them unknown."""
    frames = read_frames(outcome.stdout) if outcome else None
    results = []
    for number, probe in enumerate(lane):
        frame = frames.get(f"p/{number}") if frames else None
        unsent = _unsent(evidence, probe)
        answer = unsent or _failed(hccn.answer(ping, frame), probe)
        results.append(Result(probe, answer, frame.text if frame else _words(answer)))
    return results


def _words(answer: Ping | Trouble) -> str:
    return answer.seen if isinstance(answer, Trouble) else answer.reason


def _unsent(evidence: Evidence, probe: Probe) -> Ping | Trouble | None:
    """Why a probe was not sent: a target without an address is a failure; one whose address, or a source whose tool,
    could not be read leaves the probe unknown."""
    trouble = evidence.mute.get(probe.source.host)
    reading = evidence.endpoint(probe.target, kind_of(evidence, probe))
    if trouble or (isinstance(reading, Trouble) and reading.cause not in ("unset", "unsupported")):
        return trouble or reading
    return None if getattr(reading, "address", "") else Ping(probe.packets, 0, reason=f"{probe.target} has no address")


def _failed(answer: Ping | Trouble, probe: Probe) -> Ping | Trouble:
    """A source without an address, or an NPU that is not there, is a failure and not a riddle."""
    if isinstance(answer, Trouble) and answer.cause in ("unset", "no-device"):
        return Ping(probe.packets, 0, reason=answer.seen)
    return answer


def roce_lanes(evidence: Evidence) -> Mapping[str, tuple[Probe, ...]]:
    """On A3 one side probe over RoCE for each directed host pair, where both ends have an address and a link."""
    lanes: dict[str, list[Probe]] = defaultdict(list)
    if evidence.fabric != HCCS:
        return {}
    up: dict[str, list[Npu]] = defaultdict(list)
    for npu, link in evidence.values("link", hccn.Link):
        if link.up and evidence.address(npu, ROCE):
            up[npu.host].append(npu)
    for turn, (source, target) in enumerate(evidence.topology.pairs):
        if up[source] and up[target]:
            lanes[source].append(_side(up[source], up[target], turn))
    return {host: tuple(lane) for host, lane in lanes.items()}


def _side(own: Sequence[Npu], theirs: Sequence[Npu], turn: int) -> Probe:
    return Probe(own[turn % len(own)], theirs[turn % len(theirs)], ROCE_PACKETS, roce=True)
