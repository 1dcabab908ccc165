"""Curves as SVG in the colours of the page, light or dark; the scales are those of curves.png."""

import html
from collections.abc import Sequence

from recog import plot
from recog.plot import Panel

WIDTH, HEIGHT = 560, 260
_LEFT, _TOP, _RIGHT, _BOTTOM = 48, 34, 12, 34


def draw(panel: Panel, across: str) -> str:
    """One panel; `across` names what runs along. Points are told where the pointer rests on a mark."""
    points = [point for line in panel.lines for point in line.points]
    parts = [f'<text x="{_LEFT}" y="16" font-weight="600">{html.escape(panel.title)}</text>']
    if not points:
        parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle" opacity=".7">no values yet</text>')
        return _svg(parts, f"{panel.title}: no values yet")
    low = min(y for _, y in points) if panel.low is None else panel.low
    high = max(y for _, y in points) if panel.high is None else panel.high
    marks, end = plot.ticks(low, high, 4), max(x for x, _ in points) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        share = (min(max(y, marks[0]), marks[-1]) - marks[0]) / (marks[-1] - marks[0])
        return _LEFT + x / end * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    for mark in marks:
        _, y = place(0, mark)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="currentColor" opacity=".15"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" opacity=".8">{plot.label(mark)}</text>')
    for mark in plot.ticks(0.0, end, 5):
        if mark <= end and mark.is_integer():  # what runs along is counted
            x, _ = place(mark, marks[0])
            parts.append(
                f'<text x="{x:.1f}" y="{HEIGHT - 18}" text-anchor="middle" opacity=".8">{plot.label(mark)}</text>'
            )
    parts.append(f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 3}" text-anchor="end" opacity=".8">{across}</text>')
    for line in panel.lines:
        places = [place(x, y) for x, y in line.points]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{line.colour}" stroke-width="{line.width:g}"/>')
        if line.marked or len(places) == 1:
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{line.colour}"><title>{html.escape(line.name)} '
                f"{value:.4g} at {number:g}</title></circle>"
                for (x, y), (number, value) in zip(places, line.points, strict=True)
            ]
    return _svg([*parts, *_legend(panel)], f"{panel.title}, over {across}")


def _legend(panel: Panel) -> Sequence[str]:
    parts, x = [], float(WIDTH - _RIGHT)
    for line in [line for line in reversed(panel.lines) if line.name and line.points]:
        x -= 7.2 * len(line.name)  # a letter's width, on the safe side
        parts.append(f'<text x="{x:.0f}" y="16">{html.escape(line.name)}</text>')
        parts.append(f'<path d="M{x - 20:.0f} 12h15" stroke="{line.colour}" stroke-width="3"/>')
        x -= 32
    return parts


def _svg(parts: Sequence[str], told: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(told)}" fill="currentColor" '
        f'font-size="12" font-family="inherit" width="100%">{"".join(parts)}</svg>'
    )
