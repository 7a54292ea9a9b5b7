"""A plan as an SVG picture: hosts, their NPUs coloured by process, the way from prefill to decode, the proxy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from qcluster.serving.plan import HostPlan, Instance, Plan

CELL, GAP, PAD, PER_ROW, HEAD = 30, 4, 14, 8, 46
WIDTH = PER_ROW * (CELL + GAP) - GAP + 2 * PAD
COLUMN = WIDTH + 120
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
    rows = -(-max(len(host.npus), 1) // PER_ROW)
    return HEAD + rows * (CELL + GAP) + PAD


def _places(plan: Plan) -> dict[str, tuple[int, int]]:
    """The upper left corner of each host: prefill left, decode right."""
    below = {0: 90, 1: 90}
    places = {}
    for host in plan.hosts:
        column = _COLUMNS.get(host.roles[0] if host.roles else "standalone", 0)
        places[host.name] = (PAD + column * COLUMN, below[column])
        below[column] += _height(host) + 2 * PAD
    return places


def colour(position: int, count: int, role: str) -> str:
    """Prefill in blues, decode in greens, standalone in ambers; neighbours differ."""
    start = {"prefill": 200, "decode": 100, "standalone": 25}.get(role, 0)
    light = 82 - (position % 4) * 9
    return f"hsl({start + (position * 50) // max(count, 1)},65%,{light}%)"


def _host(plan: Plan, host: HostPlan, place: tuple[int, int]) -> Iterator[str]:
    x, y = place
    roles = "+".join(host.roles)
    yield f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{_height(host)}" rx="6" fill="#fff" stroke="#888"/>'
    yield f'<text class="title" x="{x + PAD}" y="{y + 18}">{escape(host.name)} · {escape(roles)}</text>'
    detail = f"{host.address} · {host.hardware} · {len(host.npus)} NPUs"
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
    yield f'<g><title>NPU {npu}: {escape(owner)}</title><rect x="{at[0]}" y="{at[1]}" width="{CELL}" height="{CELL}"'
    yield f' rx="3" fill="{fill}" stroke="#666"/><text class="small" x="{at[0] + 8}" y="{at[1] + 19}">{npu}</text></g>'


def _links(plan: Plan, places: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """KV goes from every prefill host to every decode host."""
    sides = [[host for host in plan.hosts if role in host.roles] for role in ("prefill", "decode")]
    for one in sides[0]:
        for other in sides[1]:
            (x1, y1), (x2, y2) = places[one.name], places[other.name]
            if one is not other:
                yield f'<path d="M{x1 + WIDTH},{y1 + 40} L{x2},{y2 + 40}" stroke="#4a7" stroke-width="2" fill="none"/>'


def _proxy(plan: Plan, places: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    if plan.proxy is None:
        return
    middle = PAD + (COLUMN + WIDTH) // 2
    for x, y in places.values():
        yield f'<path d="M{middle},52 L{x + WIDTH // 2},{y}" stroke="#bbb" stroke-dasharray="4 3" fill="none"/>'
    text = f"proxy {plan.proxy.address}:{plan.proxy.port}"
    yield f'<rect x="{middle - 110}" y="18" width="220" height="34" rx="6" fill="#fde9c8" stroke="#888"/>'
    yield f'<text class="title" x="{middle - 98}" y="40">{escape(text)}</text>'
