"""A panel of curves as SVG, for documents: text, small, sharp at any size; scales as in `recog.plot`."""

import html
import math
from pathlib import Path

from recog import plot
from recog.plot import Panel

WIDTH, HEIGHT = 640, 320
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 62, 16, 44


def svg(panel: Panel, title: str, across: str) -> str:
    """One panel on white; `across` names what runs along. A panel without values is drawn empty."""
    values = [y for line in panel.lines for _, y in line.points if y > 0 or not panel.logarithmic] or [1.0]
    low = min(values) if panel.low is None else panel.low
    high = max(values) if panel.high is None else panel.high
    marks = plot.decades(low, high) if panel.logarithmic else plot.ticks(low, high)
    scale = math.log10 if panel.logarithmic else float
    end = max((x for line in panel.lines for x, _ in line.points), default=1.0) or 1.0
    bottom, top = scale(marks[0]), scale(max(marks[-1], marks[0] * 2 if panel.logarithmic else marks[0] + 1e-9))

    def place(x: float, y: float) -> tuple[float, float]:
        share = (scale(min(max(y, marks[0]), marks[-1])) - bottom) / (top - bottom)
        return _LEFT + x / end * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    parts = [
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{html.escape(title)}: {html.escape(panel.title)}</text>',
    ]
    for mark in marks:
        _, y = place(0, mark)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{plot.label(mark)}</text>')
    for mark in [mark for mark in plot.ticks(0.0, end, 6) if mark <= end]:
        x, _ = place(mark, marks[0])
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 26}" text-anchor="middle">{plot.label(mark)}</text>')
    parts.append(
        f'<text x="{(_LEFT + WIDTH - _RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(across)}</text>'
    )
    for line in panel.lines:
        places = [place(x, y) for x, y in line.points if y > 0 or not panel.logarithmic]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{line.colour}" stroke-width="{line.width:g}"/>')
        if line.marked or len(places) == 1:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{line.colour}"/>' for x, y in places]
    return _whole([*parts, *_legend(panel)])


def save(panel: Panel, title: str, across: str, path: Path) -> None:
    """Writes an SVG, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(svg(panel, title, across) + "\n", encoding="utf-8")
    partial.replace(path)


def _legend(panel: Panel) -> list[str]:
    """Names in one row under the title, from the left."""
    parts, x = [], float(_LEFT)
    for line in [line for line in panel.lines if line.name]:
        parts.append(f'<path d="M{x:.0f} 40h16" stroke="{line.colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 21:.0f}" y="44">{html.escape(line.name)}</text>')
        x += 38 + 6.6 * len(line.name)
    return parts


def _whole(parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'{head} font-family="sans-serif" font-size="12" fill="#222">' + "".join(parts) + "</svg>"
