"""Line charts as SVG, for a page that has the theme's colours: a figure against concurrency, run by run. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, BOTTOM = 62, 18, 46
LEGEND, ROW, WORD = 30, 17, 6.4
"""Where the legend begins, how high one of its rows is, and how wide a letter."""
STYLES = (("var(--good)", ""), ("var(--changed)", "7 4"), ("var(--advisory)", "2 3"), ("var(--dim)", "9 3 2 3"))
"""Colour and dashes of the first line, the second, …: told apart without colours too."""


@dataclass(frozen=True)
class Series:
    """One line: its name and its points (x, y). x is a concurrency, greater than 0."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Scale:
    """Where values lie on the picture. The x axis is logarithmic: a sweep doubles."""

    xs: tuple[float, ...]
    top: float
    head: float = 42
    """Where the drawing begins, below title and legend."""

    def x(self, value: float) -> float:
        low, high = math.log2(self.xs[0]), math.log2(self.xs[-1])
        share = (math.log2(value) - low) / (high - low) if high > low else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - self.head - BOTTOM)


def chart(title: str, unit: str, series: Sequence[Series], x_label: str = "concurrent requests") -> str:
    """The picture as SVG; empty where there is nothing to draw."""
    drawn = [one for one in series if one.points]
    if not drawn:
        return ""
    values = [y for one in drawn for _, y in one.points]
    places = _placed([one.name for one in drawn])
    scale = Scale(tuple(sorted({x for one in drawn for x, _ in one.points})), ceiling(max(values)), places[-1][1] + 12)
    parts = [*_axes(scale, x_label), *_legend(drawn, places)]
    # the newest line comes last, above the others
    for at in reversed(range(len(drawn))):
        parts += _line(drawn[at], STYLES[at % len(STYLES)], scale, unit)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="chart"'
    name = f"{title}, {unit}"
    return "\n".join([f'{head} aria-label="{escape(name)}">', _text(0, 14, name, "title"), *parts, "</svg>"])


def ceiling(value: float) -> float:
    """The next number that quarters well: 1, 1.2, 1.6, 2, 2.4, … times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        step * power for step in (1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0) if value <= step * power * 1.0001
    )


def _axes(scale: Scale, label: str) -> Iterator[str]:
    for part in range(5):
        value = scale.top * part / 4
        y = scale.y(value)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" class="grid"/>'
        yield _text(LEFT - 8, y + 4, f"{value:g}", "tick end")
    shown: float = -math.inf
    for x in scale.xs:
        place = scale.x(x)
        low = HEIGHT - BOTTOM
        yield f'<line x1="{place:.1f}" y1="{low}" x2="{place:.1f}" y2="{low + 5}" class="axis"/>'
        if place - shown > 24:  # numbers that would touch are left out
            yield _text(place, HEIGHT - BOTTOM + 18, f"{x:g}", "tick mid")
            shown = place
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, label, "tick mid")


def _placed(names: Sequence[str]) -> list[tuple[float, float]]:
    """Where each entry of the legend stands: beside the one before, or below where there is no room."""
    places: list[tuple[float, float]] = []
    x, y = float(LEFT), float(LEGEND)
    for name in names:
        width = 46 + WORD * len(name)
        if places and x + width > WIDTH:
            x, y = float(LEFT), y + ROW
        places.append((x, y))
        x += width
    return places


def _legend(series: Sequence[Series], places: Sequence[tuple[float, float]]) -> Iterator[str]:
    for at, (one, (x, y)) in enumerate(zip(series, places, strict=True)):
        colour, dash = STYLES[at % len(STYLES)]
        line = f'<line x1="{x}" y1="{y - 4}" x2="{x + 26}" y2="{y - 4}" stroke="{colour}" stroke-width="2"'
        yield f"{line} {_dashed(dash)}/>"
        yield _text(x + 31, y, one.name, "tick")


def _line(one: Series, style: tuple[str, str], scale: Scale, unit: str) -> Iterator[str]:
    places = [(scale.x(x), scale.y(y), x, y) for x, y in sorted(one.points)]
    path = " ".join(f"{'M' if at == 0 else 'L'}{px:.1f},{py:.1f}" for at, (px, py, _, _) in enumerate(places))
    yield f'<path d="{path}" fill="none" stroke="{style[0]}" stroke-width="2.2" {_dashed(style[1])}/>'
    for px, py, x, y in places:
        told = escape(f"{one.name}: {y:.4g} {unit} at {x:g}")
        yield f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="{style[0]}"><title>{told}</title></circle>'


def _dashed(dash: str) -> str:
    return f'stroke-dasharray="{dash}"' if dash else ""


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>'


CSS = """.chart { width: 100%; max-width: 560px; height: auto; }
.chart text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.chart .title { font-weight: 600; font-size: 13px; } .chart .tick { fill: var(--dim); font-size: 11px; }
.chart .end { text-anchor: end; } .chart .mid { text-anchor: middle; }
.chart .grid { stroke: var(--line); } .chart .axis { stroke: var(--dim); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); gap: 18px; }"""
"""What a page with charts needs besides the theme."""
