"""The dialogue of verify-network: ask every host once a phase, side by side, then judge.

Phases: the hosts, their NPUs, the probes (in rounds, widened after failures), and beside them the TCP listeners and
connections. One SSH command a host and phase, whatever the number of NPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain

from qcluster.facts.frames import Patience
from qcluster.facts.npu import NpuTable
from qcluster.network import host_plane, survey
from qcluster.network.culprits import culprits, silent
from qcluster.network.dialogue import Dialogue
from qcluster.network.evidence import Evidence
from qcluster.network.findings import Finding, finding, ordered
from qcluster.network.listeners import listeners
from qcluster.network.matrix import Result, matrix
from qcluster.network.probing import probe_question, read_probes, roce_lanes, seconds_each
from qcluster.network.schedule import Effort, Schedule, schedule
from qcluster.network.topology import Endpoint, Topology
from qcluster.network.verdict import explanation, probe_findings, roce_findings, survey_findings
from qcluster.network.widen import Lanes, hunt
from qcluster.spelling import counted


@dataclass(frozen=True)
class Wishes:
    """How thoroughly to look. `fabric` is auto, hccs or roce."""

    effort: Effort = field(default_factory=Effort)
    patience: Patience = field(default_factory=Patience)
    fabric: str = "auto"
    probes: bool = True
    tcp: bool = True


@dataclass(frozen=True)
class Outcomes:
    """All that a run of verify-network found out."""

    topology: Topology
    evidence: Evidence
    findings: tuple[Finding, ...]
    results: tuple[Result, ...] = ()
    knocks: tuple[host_plane.Knock, ...] = ()
    expected: float = 0.0
    elapsed: float = 0.0


def verify(topology: Topology, dialogue: Dialogue, wishes: Wishes) -> Outcomes:
    """Look at everything and judge it."""
    began = dialogue.clock()
    evidence = _survey_hosts(topology, dialogue, wishes)
    with ThreadPoolExecutor(1) as beside:
        tcp = beside.submit(_tcp, evidence, dialogue) if wishes.tcp else None
        evidence = _survey_npus(evidence, dialogue, wishes)
        plan = _plan(evidence, wishes)
        results = _probe(evidence, dialogue, wishes, plan)
        plane = tcp.result() if tcp else None
    evidence = replace(evidence, unreached=dict(dialogue.unreached))
    found = [*_judge(evidence, results), *(host_plane.judge(plane) if plane else ()), *_left_out(plan, wishes)]
    knocks = tuple(chain.from_iterable(one.knocks for one in plane.knocks.values())) if plane else ()
    elapsed = dialogue.clock() - began
    return Outcomes(topology, evidence, ordered(found), tuple(results), knocks, plan.duration, elapsed)


def _survey_hosts(topology: Topology, dialogue: Dialogue, wishes: Wishes) -> Evidence:
    dialogue.note(f"asking {counted(len(topology.hosts), 'host')} about NPUs, drivers and addresses")
    began = dialogue.clock()
    answers = dialogue.ask({host: survey.host_question(wishes.patience) for host in topology.hosts})
    ended = dialogue.clock()
    hosts = {host: survey.read_host(host, answer, began, ended) for host, answer in answers.items()}
    return Evidence(topology, hosts, wanted=wishes.fabric, limit=wishes.patience.question)


def _survey_npus(evidence: Evidence, dialogue: Dialogue, wishes: Wishes) -> Evidence:
    tables = {
        host: reading.table
        for host, reading in evidence.hosts.items()
        if host in evidence.npu_hosts and isinstance(reading.table, NpuTable)
    }
    chosen = {host: _present(evidence.chosen(host), table) for host, table in tables.items()}
    dialogue.note(f"reading links, addresses, TLS and super-pod of {sum(map(len, chosen.values()))} NPUs")
    questions = {h: survey.npu_question(chosen[h], table, wishes.patience) for h, table in tables.items()}
    answers = dialogue.ask(questions)
    npus = {host: survey.read_npus(host, answer, chosen[host], tables[host]) for host, answer in answers.items()}
    return replace(evidence, npus=npus)


def _present(npus: Sequence[int], table: NpuTable) -> tuple[int, ...]:
    return tuple(npu for npu in npus if npu in table.by_physical)


def _plan(evidence: Evidence, wishes: Wishes) -> Schedule:
    npus = {host: tuple(readings.readings) for host, readings in evidence.npus.items()}
    effort = replace(wishes.effort, seconds=seconds_each(evidence.fabric))
    pairs = evidence.topology.pairs if wishes.probes else ()
    return schedule(npus, pairs, effort)


def _probe(evidence: Evidence, dialogue: Dialogue, wishes: Wishes, plan: Schedule) -> list[Result]:
    """The scheduled probes and, after failures, the widening ones. Side probes over RoCE ride along on A3."""
    if not plan.planned:
        return []
    counter = _Counter(dialogue, plan.planned)
    way = f"over {evidence.fabric.upper()}, about {plan.duration:.0f} s (hosts work side by side)"
    dialogue.note(f"{counted(plan.planned, 'probe')} {way}")

    def send(lanes: Lanes) -> list[Result]:
        asked = {host: lane for host, lane in lanes.items() if host not in evidence.mute}
        questions = {host: probe_question(evidence, lane, wishes.patience) for host, lane in asked.items()}
        answers = dialogue.ask(questions, counter)
        return [
            result
            for host, lane in lanes.items()
            for result in read_probes(evidence, lane, answers.get(host))
        ]  # fmt: skip

    side = roce_lanes(evidence)
    first = {host: (*lane, *side.get(host, ())) for host, lane in plan.probes.items()}
    npus = {host: tuple(readings.readings) for host, readings in evidence.npus.items() if host in plan.probes}
    return hunt(first, send, npus, explanation(evidence, survey_findings(evidence)))


class _Counter:
    """Turns the frames that stream in from all hosts into progress. Called from several threads."""

    def __init__(self, dialogue: Dialogue, total: int):
        self._dialogue, self._total, self._done = dialogue, total, 0

    def __call__(self, stream: str, data: bytes) -> None:
        before, self._done = self._done, self._done + data.count(b"@p/")
        done = min(self._done, self._total)
        if done == min(before, self._total):
            return
        self._dialogue.note(f"{done} of {self._total} probes", "count", done, self._total)


def _judge(evidence: Evidence, results: Sequence[Result]) -> list[Finding]:
    main = [result for result in results if not result.probe.roce]
    side = [result for result in results if result.probe.roce]
    cells = matrix(main)
    judged = replace(evidence, silent=silent(cells))
    known = survey_findings(judged)
    guilty = culprits(cells, explanation(judged, known))
    return [*known, *probe_findings(judged, cells, guilty, known), *roce_findings(judged, side)]


def _left_out(plan: Schedule, wishes: Wishes) -> list[Finding]:
    missing = plan.wanted - plan.planned
    words = {"budget": f"{wishes.effort.budget:g}", "missing": missing, "wanted": plan.wanted} if missing else {}
    return [finding("not-covered", **words)] if missing else []  # type: ignore[arg-type]


def _tcp(evidence: Evidence, dialogue: Dialogue) -> host_plane.HostPlane:
    """Listen everywhere, connect from everywhere."""
    topology = evidence.topology
    endpoints: dict[str, Endpoint] = {h: e for h, e in topology.hosts.items() if h in evidence.hosts}
    targets = {target for _, target in topology.talks}
    with listeners(dialogue, {h: e for h, e in endpoints.items() if h in targets and e.ports}) as listening:
        sources = {source for source, _ in topology.talks if source in endpoints}
        asked = {host: host_plane.connect(endpoints[host], topology, listening) for host in sources}
        knocks = {host: host_plane.read_knocks(host, answer) for host, answer in dialogue.ask(asked).items()}
    firewalls = {host: reading.firewall for host, reading in evidence.hosts.items()}
    reached = topology.within(host for host in evidence.hosts if host not in dialogue.unreached)
    return host_plane.HostPlane(reached, listening, knocks, firewalls)
