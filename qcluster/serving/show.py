"""A plan as text: tables of processes, ports, notes and origins. Pure; the command line prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from qcluster.inventory import folding
from qcluster.serving.layers import compact
from qcluster.serving.options import options
from qcluster.serving.plan import Instance, Plan, PortUse

Row = Sequence[object]
ALIKE = 4
"""Fewer hosts with the same ports are easier to read one by one."""


def columns(head: Row, rows: Iterable[Row]) -> list[str]:
    """Left-aligned columns, as narrow as their content."""
    table = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def ids(npus: Sequence[int]) -> str:
    """`0-7,12` for a list of ids."""
    spans: list[list[int]] = []
    for npu in npus:
        if spans and npu == spans[-1][1] + 1:
            spans[-1][1] = npu
        else:
            spans.append([npu, npu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def summary(plan: Plan) -> Iterator[str]:
    """The plan in a screenful."""
    yield f"deployment {plan.deployment}   digest {plan.digest}   release {plan.release}"
    shape = "MoE" if plan.model.moe else "dense"
    yield f"model      {plan.model.name} ({shape}) as {plan.model.served_name}"
    yield f"weights    {plan.model.weights} → {plan.model.path}"
    yield from (f"image      {image}" for image in dict.fromkeys(one.image for one in plan.instances if one.image))
    if plan.proxy:
        yield f"proxy      http://{plan.proxy.address}:{plan.proxy.port} on {plan.proxy.host} ({plan.proxy.kind})"
    yield f"instances  {', '.join(_counted(plan))}"
    yield ""
    yield from columns(("INSTANCE", "ADDRESS", "NPUS", "PORT", "KV PORT", "DP", "TP"), map(_instance, plan.instances))
    if plan.facts:
        yield ""
        yield f"Still to be asked of the hosts: {', '.join(plan.facts)} (qcluster plan --resolve)."


def _counted(plan: Plan) -> Iterator[str]:
    """How many there are of each role, and on how many hosts and NPUs."""
    for role in dict.fromkeys(one.role for one in plan.instances):
        mine = [one for one in plan.instances if one.role == role]
        hosts, npus = len({one.host for one in mine}), sum(len(one.devices) for one in mine)
        yield f"{len(mine)} {role} ({hosts} host{'s' if hosts > 1 else ''}, {npus} NPU{'s' if npus > 1 else ''})"


def _instance(one: Instance) -> Row:
    return (one.name, one.address, ids(one.devices), one.port or "-", one.kv_port or "-", _dp(one), one.tp)


def _dp(one: Instance) -> str:
    if one.dp_rank is not None:
        return f"{one.dp_rank}/{one.dp_size}"
    return f"{one.dp_size} inside" if one.dp_size > 1 else "1"


def details(plan: Plan) -> Iterator[str]:
    """The plan, and every process with its variables and its command line, a flag a line."""
    yield from summary(plan)
    for one in plan.instances:
        yield from ("", f"{one.name}   {one.container}   {one.log}")
        yield from (f"  {name}={value}" for name, value in one.env.items())
        yield f"  {' '.join(one.argv[:3])}"
        yield from (f"    {words}" for words in _flags(one.argv[3:]))
    if plan.proxy:
        yield from ("", f"proxy   {plan.proxy.container}   {plan.proxy.log}", f"  {' '.join(plan.proxy.argv[:2])}")
        yield from (f"    {words}" for words in _flags(plan.proxy.argv[2:]))


def _flags(words: Sequence[str]) -> list[str]:
    lines: list[list[str]] = []
    for word in words:
        if word.startswith("--") or not lines:
            lines.append([])
        lines[-1].append(word)
    return [" ".join(line) for line in lines]


def notes(plan: Plan) -> Iterator[str]:
    """Each departure from the seed with its reason and source."""
    for note in plan.notes:
        yield f"{note.what}"
        yield f"    {note.why} [{note.source}]"


def ports(plan: Plan) -> list[str]:
    """All ports, host by host; neighbours of one purpose and role share a line, hosts that are alike all lines."""
    rows: list[_Span] = []
    for use in sorted(plan.ports, key=lambda use: (use.host, use.plane, use.purpose, use.first)):
        if rows and rows[-1].takes(use):
            rows[-1] = rows[-1].with_(use)
        else:
            rows.append(_Span(use, use.first + use.count, 1))
    rows.sort(key=lambda row: (row.first.host, row.first.plane, row.first.first))
    return columns(("HOST", "PORTS", "PLANE", "PURPOSE", "OWNER"), _folded(rows))


def _folded(rows: Iterable[_Span]) -> Iterator[Row]:
    """Of `ALIKE` hosts or more with the same ports the lines once, with `*` for the host in an owner's name."""
    alike: dict[tuple[Row, ...], dict[str, list[Row]]] = {}
    for host, own in groupby(rows, lambda row: row.first.host):
        cells = [row.cells for row in own]
        shape: tuple[Row, ...] = tuple((*cell[:-1], str(cell[-1]).replace(host, "*", 1)) for cell in cells)
        alike.setdefault(shape, {})[host] = cells
    for lines, hosts in alike.items():
        some = {folding.told(hosts, len(hosts)): list(lines)} if len(hosts) >= ALIKE else hosts
        yield from ((name, *cell) for name, cells in some.items() for cell in cells)


@dataclass(frozen=True)
class _Span:
    """Port uses of one purpose and role, side by side. `end` is the port after the last one."""

    first: PortUse
    end: int
    owners: int

    def takes(self, use: PortUse) -> bool:
        like = (use.host, use.plane, use.purpose) == (self.first.host, self.first.plane, self.first.purpose)
        return like and use.side == self.first.side and use.first in (self.end, self.first.first)

    def with_(self, use: PortUse) -> _Span:
        return _Span(self.first, max(self.end, use.first + use.count), self.owners + (use.owner != self.first.owner))

    @property
    def cells(self) -> Row:
        """Without the host."""
        start, last = self.first.first, self.end - 1
        owner = self.first.owner if self.owners == 1 else f"{self.first.side}-*"
        return (
            start if start == last else f"{start}-{last}",
            self.first.plane,
            self.first.purpose,
            owner,
        )


def explanation(plan: Plan) -> Iterator[str]:
    """Where each flag and variable of the first process of each host and role comes from."""
    shown: set[tuple[str, str]] = set()
    for one in plan.instances:
        if (one.host, one.role) not in shown:
            shown.add((one.host, one.role))
            yield f"{one.name}"
            yield from (f"  {line}" for line in columns(("WHAT", "VALUE", "FROM"), _origins(plan, one)))
            yield ""
    yield "Departures from the seed document:"
    yield from (f"  {line}" for line in notes(plan))


def _origins(plan: Plan, one: Instance) -> Iterator[Row]:
    flags = {f"--{name}": value for name, value in options(one.argv).items()}
    for name, origin in plan.explain.get(one.name, {}).items():
        value = flags.get(name, one.env.get(name, "-"))
        text = compact(value) if isinstance(value, dict | list) else str(value)
        yield (name, "" if value is True else _short(text), origin)


def _short(text: str, width: int = 60) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
