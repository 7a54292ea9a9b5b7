"""The rules applied to a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qcluster.errors import Problem
from qcluster.inventory.folding import told
from qcluster.inventory.settings import problem_at
from qcluster.serving.lint import environment, flags, pairing, ports, releases, sizes, together, transfer
from qcluster.serving.lint.ignores import Ignore, ignores
from qcluster.serving.lint.rule import ERROR, WARNING, Drafted, Fault, Neighbour, Rule, Subject, rule, rules_of


@rule("QC100", WARNING, "an ignore names a rule, and why", "issue 5", "# qcluster: ignore QC304")
def unexplained(subject: Subject) -> Iterator[Fault]:
    named = {known.id for known in RULES}
    for one in _ignores(subject.drafted):
        where = (one.file, one.written)
        if not one.reason:
            what = f"ignores {', '.join(sorted(one.rules))} without a reason"
            yield Fault(what, "say why after the id", where=where)
        if unknown := sorted(one.rules - named):
            yield Fault(f"ignores {', '.join(unknown)}, which is no rule", "see qcluster rules", where=where)


RULES: tuple[Rule, ...] = (
    unexplained,
    *rules_of(releases, pairing, transfer, ports, together, sizes, environment, flags),
)
"""Every rule, as they are numbered."""


@dataclass(frozen=True)
class Finding:
    """A rule that strikes, with its place. `ignored` holds the reason that the inventory gives, `owners` each host (or
    group) that it holds for: the path tells many of them as ranges."""

    rule: str
    severity: str
    file: str
    line: int
    path: str
    what: str
    hint: str = ""
    ignored: str = ""
    owners: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.rule} {self.problem}"

    @property
    def problem(self) -> Problem:
        """The same as an input problem."""
        return Problem(self.file, self.line, self.path, self.what, self.hint)


def check(drafted: Drafted, rules: Sequence[Rule] = RULES, others: Sequence[Neighbour] = ()) -> list[Finding]:
    """Every finding, as the inventory is written, errors last. Ignored ones carry their reason."""
    subject = Subject(drafted, tuple(others))
    known = list(_ignores(drafted))
    found = [_finding(subject, one, fault, known) for one in rules for fault in one.check(subject)]
    return ordered(_merged(ordered(set(found))))


def _merged(findings: Iterable[Finding]) -> Iterator[Finding]:
    """What holds for several hosts alike is told once, at the first of them."""
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for one in findings:
        variable = one.path.partition(": ")[2]
        alike.setdefault((one.rule, one.file, variable, one.what, one.hint, one.ignored), []).append(one)
    for same in alike.values():
        owners = tuple(dict.fromkeys(one.path.partition(": ")[0] for one in same))
        path = ": ".join([told(owners), *same[0].path.split(": ")[1:]])
        yield replace(same[0], path=path, owners=tuple(filter(None, owners)))


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Findings as `check` orders them."""
    return sorted(findings, key=_rank)


_ORDER = {ERROR: 2, WARNING: 1}


def _rank(one: Finding) -> tuple[int, str, int, str, str, str]:
    """Errors last, nearest to the prompt; then by place: the same inventory always reads the same."""
    return _ORDER.get(one.severity, 0), one.file, one.line, one.path, one.rule, one.what


def errors(findings: Iterable[Finding]) -> list[Problem]:
    """What the rules refuse, as problems whose text begins with the rule's id."""
    refused = [one for one in findings if one.severity == ERROR and not one.ignored]
    return [Problem(one.file, one.line, one.path, f"{one.rule} {one.what}", one.hint) for one in refused]


def _finding(subject: Subject, broken: Rule, fault: Fault, known: Sequence[Ignore]) -> Finding:
    file, line, path = _place(subject, fault)
    reason = next((one.reason for one in known if one.reason and one.covers(broken.id, file, line)), "")
    return Finding(broken.id, broken.severity, file, line, path, fault.what, fault.hint, reason)


def _place(subject: Subject, fault: Fault) -> tuple[str, int, str]:
    if fault.where:
        return *fault.where, ""
    if fault.at is None:
        return subject.deployment.inventory.path, 0, ""
    placed = problem_at(fault.at.host, fault.variable, fault.what)
    return placed.file or subject.deployment.inventory.path, placed.line, placed.path


def _ignores(drafted: Drafted) -> Iterator[Ignore]:
    hosts = drafted.deployment.inventory.hosts.values()
    files = {origin.file for host in hosts for origins in host.origins.values() for origin in origins}
    for name in sorted({drafted.deployment.inventory.path, *files}):
        path = Path(name)
        if name and path.is_file():
            yield from ignores(name, path.read_text(encoding="utf-8", errors="replace"))
