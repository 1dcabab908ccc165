"""Line charts drawn with Pillow: panels with axes, ticks and legends, as PNG. No plotting package is needed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Size of a panel in pixels of the file, and the space around its plot: left, top, right, bottom.
PANEL = (760, 420)
_AROUND = (74, 52, 22, 48)
_TITLE = 46
# Everything is drawn larger by this factor and scaled down: Pillow's lines have hard edges.
_FINER = 2
_GRID, _AXIS, _INK, _FAINT = "#e6e6e6", "#8a8a8a", "#222222", "#666666"


@dataclass(frozen=True)
class Line:
    """A curve and its name in the legend."""

    name: str
    points: tuple[tuple[float, float], ...]
    colour: str
    # Width in pixels; thin lines stand behind as what was measured, thick ones before them as their mean.
    width: float = 2.0
    # A mark at every point: for few points, each of which counts.
    marked: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart."""

    title: str
    lines: tuple[Line, ...]
    # Logarithmic upwards; only where all values are above 0.
    logarithmic: bool = False
    # Bounds upwards; None: as the values are.
    low: float | None = None
    high: float | None = None


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`, both included or passed."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    step = 10.0 ** math.floor(math.log10((high - low) / count))
    step *= min((1, 2, 5, 10), key=lambda times: abs((high - low) / (times * step) - count))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Round numbers for a logarithmic axis: 1, 2 and 5 times powers of ten, from below `low` to above `high`."""
    every = [
        times * 10.0**power
        for power in range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 2)
        for times in (1, 2, 5)
    ]
    below = max(number for number in every if number <= low * (1 + 1e-9))
    above = min(number for number in every if number >= high * (1 - 1e-9))
    return [number for number in every if below <= number <= above]


def label(value: float) -> str:
    """A tick's number, short: 0.002, 12, 3k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (abs(value) >= size and letter == "M"):
            return f"{value / size:g}{letter}"
    if value and abs(value) < 1e-4:
        return f"{value:.0e}".replace("e-0", "e-")
    return f"{value:.6g}"


def draw(panels: Sequence[Panel], title: str, across: str, columns: int = 2) -> Image.Image:
    """The panels in reading order under one title; `across` names what runs along all horizontal axes."""
    width, height = columns * PANEL[0], _TITLE + -(-len(panels) // columns) * PANEL[1]
    picture = Image.new("RGB", (width * _FINER, height * _FINER), "white")
    pencil = ImageDraw.Draw(picture)
    pencil.text((_AROUND[0] * _FINER, 14 * _FINER), title, fill=_INK, font=_font(19))
    for number, panel in enumerate(panels):
        left, top = (number % columns) * PANEL[0], _TITLE + (number // columns) * PANEL[1]
        _draw_panel(pencil, panel, left, top, across)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def save(picture: Image.Image, path: Path) -> None:
    """Writes a PNG, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    picture.save(partial, format="PNG")
    partial.replace(path)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _FINER)


@dataclass(frozen=True)
class _Frame:
    """The plot's rectangle in drawing pixels, and the range of values it shows; logarithms where it is logarithmic."""

    left: float
    top: float
    right: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        (x0, x1), (y0, y1) = self.x, self.y
        return (
            self.left + (x - x0) / (x1 - x0) * (self.right - self.left),
            self.bottom - (min(max(y, y0), y1) - y0) / (y1 - y0) * (self.bottom - self.top),
        )


def _draw_panel(pencil: ImageDraw.ImageDraw, panel: Panel, left: int, top: int, across: str) -> None:
    points = [point for line in panel.lines for point in line.points]
    pencil.text(((left + _AROUND[0]) * _FINER, (top + 8) * _FINER), panel.title, fill=_INK, font=_font(15))
    values = [y for _, y in points if not panel.logarithmic or y > 0]
    if not values:
        place = ((left + PANEL[0] / 2) * _FINER, (top + PANEL[1] / 2) * _FINER)
        pencil.text(place, "no values yet", fill=_FAINT, font=_font(14), anchor="mm")
        return
    low = min(values) if panel.low is None else panel.low
    high = max(values) if panel.high is None else panel.high
    marks = decades(low, high) if panel.logarithmic else ticks(low, high)
    if len(marks) < 2:
        marks = [marks[0], marks[0] * 2]
    scale = math.log10 if panel.logarithmic else float
    along = ticks(0.0, max(x for x, _ in points), 6)
    frame = _Frame(
        (left + _AROUND[0]) * _FINER,
        (top + _AROUND[1]) * _FINER,
        (left + PANEL[0] - _AROUND[2]) * _FINER,
        (top + PANEL[1] - _AROUND[3]) * _FINER,
        (0.0, max(x for x, _ in points) or 1.0),
        (scale(marks[0]), scale(marks[-1])),
    )
    _draw_axes(pencil, frame, [mark for mark in along if mark <= frame.x[1]], marks, panel.logarithmic)
    pencil.text(
        ((frame.left + frame.right) / 2, frame.bottom + 30 * _FINER), across, fill=_FAINT, font=_font(13), anchor="mt"
    )
    for line in panel.lines:
        _draw_line(pencil, frame, line, panel.logarithmic)
    _draw_legend(pencil, frame, panel.lines)


def _draw_axes(
    pencil: ImageDraw.ImageDraw, frame: _Frame, along: Sequence[float], marks: Sequence[float], logarithmic: bool
) -> None:
    for mark in along:
        x, _ = frame.at(mark, frame.y[0])
        pencil.line([(x, frame.top), (x, frame.bottom)], fill=_GRID, width=_FINER)
        pencil.text((x, frame.bottom + 8 * _FINER), label(mark), fill=_FAINT, font=_font(13), anchor="mt")
    for mark in marks:
        _, y = frame.at(0.0, math.log10(mark) if logarithmic else mark)
        pencil.line([(frame.left, y), (frame.right, y)], fill=_GRID, width=_FINER)
        pencil.text((frame.left - 8 * _FINER, y), label(mark), fill=_FAINT, font=_font(13), anchor="rm")
    pencil.line([(frame.left, frame.top), (frame.left, frame.bottom)], fill=_AXIS, width=_FINER)
    pencil.line([(frame.left, frame.bottom), (frame.right, frame.bottom)], fill=_AXIS, width=_FINER)


def _draw_line(pencil: ImageDraw.ImageDraw, frame: _Frame, line: Line, logarithmic: bool) -> None:
    shown = [(x, math.log10(y) if logarithmic else y) for x, y in line.points if y > 0 or not logarithmic]
    places = [frame.at(x, y) for x, y in shown]
    if len(places) > 1:
        pencil.line(places, fill=line.colour, width=max(1, round(line.width * _FINER)), joint="curve")
    if line.marked or len(places) == 1:
        for x, y in places:
            radius = 3.5 * _FINER
            pencil.ellipse([x - radius, y - radius, x + radius, y + radius], fill=line.colour)


def _draw_legend(pencil: ImageDraw.ImageDraw, frame: _Frame, lines: Sequence[Line]) -> None:
    """Names in one row above the plot, right-aligned; a single curve needs none beside the title."""
    x = frame.right
    for line in [line for line in lines[::-1] if line.name]:
        x -= pencil.textlength(line.name, font=_font(13))
        y = frame.top - 14 * _FINER
        pencil.text((x, y), line.name, fill=_INK, font=_font(13), anchor="lm")
        pencil.line([(x - 24 * _FINER, y), (x - 6 * _FINER, y)], fill=line.colour, width=round(3 * _FINER))
        x -= 40 * _FINER


def smooth(points: Sequence[tuple[float, float]], window: int) -> tuple[tuple[float, float], ...]:
    """A running mean over the last `window` values: what a jagged curve tends to."""
    values = np.array([y for _, y in points], dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    means = (sums[ends] - sums[starts]) / (ends - starts)
    return tuple((x, float(mean)) for (x, _), mean in zip(points, means, strict=True))
