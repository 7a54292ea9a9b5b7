"""A plan as an SVG picture: hosts, their NPUs coloured by process, the way from prefill to decode, the proxy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from qcluster.serving.plan import HostPlan, Instance, Plan

CELL, GAP, PAD, PER_ROW, HEAD = 30, 4, 14, 8, 46
WIDTH = PER_ROW * (CELL + GAP) - GAP + 2 * PAD
ROAD = 120
"""Between the two sides: where the KV cache goes."""
MANY = 9
"""Ways between hosts from which on one arrow stands for all of them."""
_COLUMNS = {"prefill": 0, "standalone": 0, "decode": 1}
_STYLE = "text{font-family:sans-serif;font-size:12px;fill:#222}.small{font-size:10px}.title{font-weight:bold}"


def svg(plan: Plan) -> str:
    """The picture as a text of SVG 1.1."""
    places = _places(plan)
    right = max(x for x, _ in places.values()) + WIDTH + PAD
    bottom = max(y + _height(host) for host, (_, y) in zip(plan.hosts, places.values(), strict=True)) + PAD
    body = [*_links(plan, places), *_proxy(plan, places)]
    body += [line for host in plan.hosts for line in _host(plan, host, places[host.name])]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {bottom}" width="{right}" height="{bottom}">'
    title = f"<title>{escape(plan.deployment)}: {escape(plan.model.name)}</title>"
    return "\n".join([head, title, f"<style>{_STYLE}</style>", *body, "</svg>"]) + "\n"


def _height(host: HostPlan) -> int:
    rows = -(-len(host.npus) // PER_ROW)
    return HEAD + rows * (CELL + GAP) + PAD


def _places(plan: Plan) -> dict[str, tuple[int, int]]:
    """The upper left corner of each host: prefill left, decode right, each side as wide as it is high."""
    sides: dict[int, list[HostPlan]] = {0: [], 1: []}
    for host in plan.hosts:
        sides[_COLUMNS.get(host.roles[0] if host.roles else "standalone", 0)].append(host)
    places: dict[str, tuple[int, int]] = {}
    left = PAD
    for side in sides.values():
        columns = max(1, round(math.sqrt(len(side) / 2)))
        tall = max((_height(host) for host in side), default=0) + 2 * PAD
        for position, host in enumerate(side):
            row, column = divmod(position, columns)
            places[host.name] = (left + column * (WIDTH + PAD), 90 + row * tall)
        left += columns * (WIDTH + PAD) - PAD + ROAD
    return {host.name: places[host.name] for host in plan.hosts}


def colour(position: int, count: int, role: str) -> str:
    """Prefill in blues, decode in greens, standalone in ambers; neighbours differ."""
    start = {"prefill": 200, "decode": 100, "standalone": 25}.get(role, 0)
    light = 86 - (position % 3) * 8  # never so dark that the number on it could not be read
    return f"hsl({start + (position * 50) // max(count, 1)},65%,{light}%)"


def _host(plan: Plan, host: HostPlan, place: tuple[int, int]) -> Iterator[str]:
    x, y = place
    roles = "+".join(host.roles)
    size = f'width="{WIDTH}" height="{_height(host)}"'
    yield f'<rect class="box" x="{x}" y="{y}" {size} rx="6" fill="#fff" stroke="#888"/>'
    yield f'<text class="title" x="{x + PAD}" y="{y + 18}">{escape(host.name)} · {escape(roles)}</text>'
    npus = f"{len(host.npus)} NPUs" if host.npus else ""
    detail = " · ".join(part for part in (host.address, host.hardware, npus) if part)
    yield f'<text class="small" x="{x + PAD}" y="{y + 34}">{escape(detail)}</text>'
    owners = _owners([one for one in plan.instances if one.host == host.name])
    for position, npu in enumerate(host.npus):
        yield from _npu(
            npu, owners, (x + PAD + position % PER_ROW * (CELL + GAP), y + HEAD + position // PER_ROW * (CELL + GAP))
        )


def _owners(instances: Sequence[Instance]) -> Mapping[int, tuple[str, str]]:
    """NPU → (process, colour)."""
    count = len(instances)
    return {
        npu: (one.name, colour(position, count, one.role))
        for position, one in enumerate(instances)
        for npu in one.devices
    }


def _npu(npu: int, owners: Mapping[int, tuple[str, str]], at: tuple[int, int]) -> Iterator[str]:
    owner, fill = owners.get(npu, ("idle", "#eee"))
    yield f'<g class="npu"><title>NPU {npu}: {escape(owner)}</title>'
    yield f'<rect x="{at[0]}" y="{at[1]}" width="{CELL}" height="{CELL}"'
    yield f' rx="3" fill="{fill}" stroke="#666"/><text class="small" x="{at[0] + 8}" y="{at[1] + 19}">{npu}</text></g>'


def _links(plan: Plan, places: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """KV goes from every prefill host to every decode host."""
    sides = [[host for host in plan.hosts if role in host.roles] for role in ("prefill", "decode")]
    ways = [(places[one.name], places[other.name]) for one in sides[0] for other in sides[1] if one is not other]
    if len(ways) > MANY:
        x1, x2 = max(x for (x, _), _ in ways) + WIDTH + PAD, min(x for _, (x, _) in ways) - PAD
        y = 90 + (max(y for _, (_, y) in ways) - 90) // 2 + 50
        yield f'<path d="M{x1},{y} L{x2},{y} m-14,-9 l14,9 l-14,9" stroke="#4a7" stroke-width="5" fill="none"/>'
        yield f'<text class="small" x="{x1}" y="{y - 16}">KV: each to each</text>'
        return
    for (x1, y1), (x2, y2) in ways:
        yield f'<path d="M{x1 + WIDTH},{y1 + 40} L{x2},{y2 + 40}" stroke="#4a7" stroke-width="2" fill="none"/>'


def _proxy(plan: Plan, places: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    if plan.proxy is None:
        return
    middle = (min(x for x, _ in places.values()) + max(x for x, _ in places.values()) + WIDTH) // 2
    for x, y in places.values():
        if y == 90:  # those below would be reached through others
            yield f'<path d="M{middle},52 L{x + WIDTH // 2},{y}" stroke="#bbb" stroke-dasharray="4 3" fill="none"/>'
    text = f"proxy {plan.proxy.address}:{plan.proxy.port}"
    yield f'<rect x="{middle - 110}" y="18" width="220" height="34" rx="6" fill="#fde9c8" stroke="#888"/>'
    yield f'<text class="title proxy" x="{middle - 98}" y="40">{escape(text)}</text>'
