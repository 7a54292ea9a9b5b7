"""A plan as an SVG picture: hosts, their NPUs coloured by process, the way from prefill to decode, the proxy.

The proxy stands on top with its host's name; a host that only runs the proxy has no box of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from qcluster.serving.plan import HostPlan, Instance, Plan, ProxyPlan

CELL, GAP, PAD, HEAD = 30, 4, 14, 46
"""An NPU, what lies between two of them, the margin in a box, its two lines of text (px)."""
BELOW_PROXY = 90
"""Where the boxes begin under a proxy (px)."""
PER_ROW = 8
"""NPUs in a row at the most: a server of 16 has two."""
LETTER, SMALL = 7, 5.6
"""Mean width of a letter of the bold title and of small text (px): a picture has no font to ask."""
ROAD = 120
"""Between the two sides: where the KV cache goes."""
MANY = 9
"""Ways between hosts from which on one arrow stands for all of them."""
_COLUMNS = {"prefill": 0, "standalone": 0, "decode": 1}
_STYLE = (
    "text{font-family:sans-serif;font-size:12px;fill:#222}.small{font-size:10px}.title{font-weight:bold}"
    ".middle{text-anchor:middle}"
)
Point = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Where the boxes are: the upper left corner of each host, and what all have in common (px)."""

    places: Mapping[str, Point]
    width: int
    per_row: int
    top: int

    def centre(self, name: str) -> int:
        return self.places[name][0] + self.width // 2


def svg(plan: Plan) -> str:
    """The picture as a text of SVG 1.1."""
    layout = _layout(plan)
    hosts = _drawn(plan)
    right = max(x for x, _ in layout.places.values()) + layout.width + PAD
    bottom = max(layout.places[host.name][1] + _height(host, layout.per_row) for host in hosts) + PAD
    body = [*_links(hosts, layout), *(_proxy(plan.proxy, layout) if plan.proxy else ())]
    body += [line for host in hosts for line in _host(plan, host, layout)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {bottom}" width="{right}" height="{bottom}">'
    title = f"<title>{escape(plan.deployment)}: {escape(plan.model.name)}</title>"
    return "\n".join([head, title, f"<style>{_STYLE}</style>", *body, "</svg>"]) + "\n"


def _drawn(plan: Plan) -> list[HostPlan]:
    return [host for host in plan.hosts if host.npus]


def _layout(plan: Plan) -> Layout:
    """Prefill left, decode right, each side about as wide as it is high; boxes as narrow as the widest content."""
    hosts = _drawn(plan)
    per_row = min(PER_ROW, max(len(host.npus) for host in hosts))
    width = max(_width(host, per_row) for host in hosts)
    places: dict[str, Point] = {}
    left, top = PAD, BELOW_PROXY if plan.proxy else PAD
    for side in (0, 1):
        own = [host for host in hosts if _COLUMNS.get(host.roles[0], 0) == side]
        columns = max(1, round(math.sqrt(len(own) / 2)))
        step = max((_height(host, per_row) for host in own), default=0) + 2 * PAD
        for position, host in enumerate(own):
            row, column = divmod(position, columns)
            places[host.name] = (left + column * (width + PAD), top + row * step)
        left += columns * (width + PAD) - PAD + ROAD
    return Layout(places, width, per_row, top)


def _width(host: HostPlan, per_row: int) -> int:
    title, detail = _texts(host)
    content = max(per_row * (CELL + GAP) - GAP, len(title) * LETTER, round(len(detail) * SMALL))
    return content + 2 * PAD


def _height(host: HostPlan, per_row: int) -> int:
    rows = -(-len(host.npus) // per_row)
    return HEAD + rows * (CELL + GAP) - GAP + PAD


def _texts(host: HostPlan) -> tuple[str, str]:
    hardware = "auto" if host.hardware.startswith("<fact:") else host.hardware
    return f"{host.name} · {'+'.join(host.roles)}", f"{host.address} · {hardware} · {len(host.npus)} NPUs"


def _host(plan: Plan, host: HostPlan, layout: Layout) -> Iterator[str]:
    x, y = layout.places[host.name]
    title, detail = map(escape, _texts(host))
    size = f'width="{layout.width}" height="{_height(host, layout.per_row)}"'
    yield f'<rect class="box" x="{x}" y="{y}" {size} rx="6" fill="#fff" stroke="#888"/>'
    yield f'<text class="title" x="{x + PAD}" y="{y + 18}">{title}</text>'
    yield f'<text class="small" x="{x + PAD}" y="{y + 34}">{detail}</text>'
    owners = _owners([one for one in plan.instances if one.host == host.name])
    for position, npu in enumerate(host.npus):
        row, column = divmod(position, layout.per_row)
        yield from _npu(npu, owners, (x + PAD + column * (CELL + GAP), y + HEAD + row * (CELL + GAP)))


def _owners(instances: Sequence[Instance]) -> Mapping[int, tuple[str, str]]:
    """NPU → (process, colour)."""
    count = len(instances)
    return {
        npu: (one.name, colour(position, count, one.role))
        for position, one in enumerate(instances)
        for npu in one.devices
    }


def colour(position: int, count: int, role: str) -> str:
    """Prefill in blues, decode in greens, standalone in ambers; neighbours differ."""
    start = {"prefill": 200, "decode": 100, "standalone": 25}.get(role, 0)
    light = 86 - (position % 3) * 8  # never so dark that the number on it could not be read
    return f"hsl({start + (position * 50) // max(count, 1)},65%,{light}%)"


def _npu(npu: int, owners: Mapping[int, tuple[str, str]], at: Point) -> Iterator[str]:
    (x, y), (owner, fill) = at, owners.get(npu, ("idle", "#eee"))
    yield f'<g class="npu"><title>NPU {npu}: {escape(owner)}</title>'
    yield f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" rx="3" fill="{fill}" stroke="#666"/>'
    yield f'<text class="small middle" x="{x + CELL // 2}" y="{y + 19}">{npu}</text></g>'


def _links(hosts: Sequence[HostPlan], layout: Layout) -> Iterator[str]:
    """KV goes from every prefill host to every decode host."""
    sides = [[host for host in hosts if role in host.roles] for role in ("prefill", "decode")]
    ways = [(one.name, other.name) for one in sides[0] for other in sides[1] if one is not other]
    if len(ways) > MANY:
        yield from _broad_arrow(layout, *map(set, zip(*ways, strict=True)))
        return
    for one, other in ways:
        (x1, y1), (x2, y2) = layout.places[one], layout.places[other]
        yield f'<path d="M{x1 + layout.width},{y1 + 40} L{x2},{y2 + 40}" stroke="#4a7" stroke-width="2" fill="none"/>'


def _broad_arrow(layout: Layout, sources: set[str], targets: set[str]) -> Iterator[str]:
    x1 = max(layout.places[name][0] for name in sources) + layout.width + PAD
    x2 = min(layout.places[name][0] for name in targets) - PAD
    y = layout.top + (max(layout.places[name][1] for name in targets) - layout.top) // 2 + 50
    yield f'<path d="M{x1},{y} L{x2},{y} m-14,-9 l14,9 l-14,9" stroke="#4a7" stroke-width="5" fill="none"/>'
    yield f'<text class="small" x="{x1}" y="{y - 16}">KV: each to each</text>'


def _proxy(proxy: ProxyPlan, layout: Layout) -> Iterator[str]:
    left, right = min(x for x, _ in layout.places.values()), max(x for x, _ in layout.places.values()) + layout.width
    middle = (left + right) // 2
    for name, (_, y) in layout.places.items():
        if y == layout.top:  # those below would be reached through others
            end = f"{layout.centre(name)},{y}"
            yield f'<path d="M{middle},52 L{end}" stroke="#bbb" stroke-dasharray="4 3" fill="none"/>'
    text = f"{proxy.host} · proxy {proxy.address}:{proxy.port}"
    width = len(text) * LETTER + 2 * PAD
    yield f'<rect x="{middle - width // 2}" y="18" width="{width}" height="34" rx="6" fill="#fde9c8" stroke="#888"/>'
    yield f'<text class="title proxy middle" x="{middle}" y="40">{escape(text)}</text>'
