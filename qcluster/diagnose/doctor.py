"""The most likely cause over all hosts, from the ends of their logs. Pure. Source: issue 6, Diagnosis catalogue."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcluster.diagnose.catalogue import RANK, Entry, diagnose, unexplained
from qcluster.facts.docker import Listed, listed
from qcluster.facts.evidence import Excerpt
from qcluster.facts.npu import NpuProcess, busy, parse_table

SHOWN = 5


@dataclass(frozen=True)
class Sight:
    """Where a line was seen."""

    host: str
    name: str
    number: int
    line: str


@dataclass(frozen=True)
class Diagnosis:
    """One entry of the catalogue, and everywhere it was seen."""

    entry: Entry
    sights: tuple[Sight, ...]


@dataclass(frozen=True)
class Finding:
    """All that is known: diagnoses (the most likely cause first), errors nobody explains, and what the hosts show."""

    diagnoses: tuple[Diagnosis, ...]
    unexplained: tuple[Sight, ...]
    leftovers: tuple[str, ...] = ()
    proof: str = ""
    """What the last proof found wrong; empty where it passed."""
    unreached: tuple[str, ...] = ()
    """Hosts that could not be asked, and why."""
    ailing: tuple[str, ...] = ()
    """Processes that should serve and do not, each with what to do."""

    @property
    def sick(self) -> bool:
        shown = self.leftovers or self.unexplained or self.proof or self.unreached or self.ailing
        return bool(shown) or any(one.entry.kind != "warning" for one in self.diagnoses)


def examine(excerpts: Mapping[str, Sequence[Excerpt]], ended: Container[str] = ()) -> Finding:
    """`excerpts` by host. Causes first, those seen at most instances before others, then in order of the catalogue.

    Instances in `ended` were told to end: of their logs only causes count, for how they ended is no failure.
    """
    seen: dict[str, tuple[Entry, list[Sight]]] = {}
    strange: list[Sight] = []
    for host, found in excerpts.items():
        for excerpt in found:
            over = excerpt.name in ended
            for match in diagnose(excerpt.lines, excerpt.where):
                if not over or match.entry.kind == "cause":
                    sight = Sight(host, excerpt.name, match.number, match.line)
                    seen.setdefault(match.entry.id, (match.entry, []))[1].append(sight)
            strange += [] if over else _strange(host, excerpt)
    made = [Diagnosis(entry, tuple(sights)) for entry, sights in seen.values()]
    made.sort(key=lambda one: (RANK[one.entry.kind], -len(one.sights)))
    return Finding(tuple(made), tuple(strange))


def _strange(host: str, excerpt: Excerpt) -> list[Sight]:
    """The last few lines that look like errors and that nobody explains; only of logs without a known cause."""
    if excerpt.where == "network" or any(
        match.entry.kind == "cause" for match in diagnose(excerpt.lines, excerpt.where)
    ):
        return []
    known = {line: number for number, line in enumerate(excerpt.lines, 1)}
    return [Sight(host, excerpt.name, known[line], line) for line in unexplained(excerpt.lines, excerpt.where)[-SHOWN:]]


LOST = (
    "the engines of {name} run, and the script that watches over them is gone: `qcluster up` starts them anew, "
    "`qcluster down` ends them"
)


def leftovers(host: str, excerpts: Iterable[Excerpt], planned: Iterable[str], deployment: str) -> list[str]:
    """What is on a host that this plan does not have: containers of the deployment, and NPUs in use without it.

    Where docker does not answer nobody knows what runs: a process on an NPU may be an engine that serves.
    """
    by_name = {(excerpt.where, excerpt.name): excerpt.lines for excerpt in excerpts}
    silent = any(line and "\t" not in line for line in by_name.get(("docker", "containers"), ()))
    boxes = [listed(line) for line in by_name.get(("docker", "containers"), ()) if "\t" in line]
    mine = [one for one in boxes if one.deployment == deployment]
    told = [
        f"{host}: container {one.name} ({one.state}) is of {deployment} but not of this plan: docker rm -f {one.name}"
        for one in stray(mine, planned)
    ]
    groups = [line.split() for line in by_name.get(("docker", "groups"), ()) if line]
    told += [f"{host}: {LOST.format(name=name)}" for state, name in groups if state == "lost"]
    if silent or groups or any(one.running for one in boxes):
        return told
    return [*told, *(f"{host}: {why}" for why in _held(by_name))]


def stray(mine: Iterable[Listed], planned: Iterable[str]) -> list[Listed]:
    """Containers that carry the deployment's label and that the plan does not name."""
    names = set(planned)
    return [one for one in mine if one.name not in names]


def _held(by_name: Mapping[tuple[str, str], Sequence[str]]) -> list[str]:
    try:
        table = parse_table("\n".join(by_name.get(("network", "npu-smi"), ())))
    except Exception:  # an unreadable table is preflight's concern
        return []
    return [f"{why}, and no container runs there{_kill(one.processes)}" for one in table.npus if (why := busy(one))]


def _kill(processes: Sequence[NpuProcess]) -> str:
    return f": kill -TERM {processes[0].pid} (kill -- -PGID for its group)" if processes else ""


def told(finding: Finding) -> list[str]:
    """For people, the most likely cause first: a host that is gone, a known cause, what the hosts show, errors that
    nobody explains before their effects."""
    causes = [one for one in finding.diagnoses if one.entry.kind == "cause"]
    others = [one for one in finding.diagnoses if one.entry.kind != "cause"]
    shown = [
        *_headed("cannot be asked, so that nothing is known of them:", finding.unreached),
        *_diagnosed(causes),
        *_headed("does not serve:", finding.ailing),
        *_headed("left over:", finding.leftovers),
    ]
    logged = [_strangers(finding, bool(shown)), _diagnosed(others)]
    lines = [*shown, *(line for part in (reversed(logged) if causes else logged) for line in part)]
    lines += _headed("the last proof failed:", finding.proof.splitlines())
    return lines or ["nothing known is wrong in these logs"]


def _headed(head: str, lines: Sequence[str]) -> list[str]:
    return [head, *(f"  {line}" for line in lines)] if lines else []


def _diagnosed(found: Sequence[Diagnosis]) -> list[str]:
    lines: list[str] = []
    for number, one in enumerate(found):
        word = "most likely" if number == 0 and one.entry.kind == "cause" else one.entry.kind
        lines += [f"{word}: {one.entry.cause} [{one.entry.id}]", f"  remedy: {one.entry.remedy}"]
        lines += [
            f"  {sight.host} {sight.name}:{sight.number}: {sight.line.strip()[:200]}" for sight in one.sights[:SHOWN]
        ]
        if len(one.sights) > SHOWN:
            lines.append(f"  and {len(one.sights) - SHOWN} more")
    return lines


def _strangers(finding: Finding, known: bool) -> list[str]:
    if not finding.unexplained:
        return []
    head = "errors that the catalogue does not explain:"
    shown = [f"  {one.host} {one.name}:{one.number}: {one.line.strip()[:200]}" for one in finding.unexplained]
    return [head if known else f"most likely one of these {head}", *shown]


def as_json(finding: Finding) -> dict[str, Any]:
    def sight(one: Sight) -> dict[str, Any]:
        return {"host": one.host, "name": one.name, "line": one.number, "text": one.line}

    return {
        "diagnoses": [
            {
                "id": one.entry.id,
                "kind": one.entry.kind,
                "cause": one.entry.cause,
                "remedy": one.entry.remedy,
                "source": one.entry.source,
                "seen": [sight(where) for where in one.sights],
            }
            for one in finding.diagnoses
        ],
        "unexplained": [sight(one) for one in finding.unexplained],
        "leftovers": list(finding.leftovers),
        "proof": finding.proof,
        "unreached": list(finding.unreached),
        "ailing": list(finding.ailing),
    }
