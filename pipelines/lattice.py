"""An insight as one picture: what the network sees above what it thinks likely in every frame, and the path through it.

SVG, so that letters stay letters, cells tell their figures where the pointer rests on them, and a dark page may colour
them: whatever is not blue, grey or orange takes the colour of the text around it.
"""

import base64
import io
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipelines.insight import Insight
from recog import plot
from recog.alphabet import BLANK

# Widths and heights in pixels: a frame is as wide as fills the picture, within bounds.
WIDTH = 1360
FRAME_PX = (4.0, 26.0)
LEFT, SENSED, WORDS, ROW, AXIS = 78, 112, 30, 17, 30
# A symbol has a row where it reaches this probability in some frame; at most so many rows.
ROW_LEAST, MOST_ROWS = 0.05, 40
# Cells below this probability are left white.
CELL_LEAST = 0.01
BLUE, GREY, ORANGE = "#2563eb", "#64748b", "#ea580c"


def draw(insight: Insight) -> str:
    """The picture as an <svg> element: seconds or columns from left to right, symbols from top to bottom."""
    reading = insight.reading
    frames = len(reading.log_probs)
    step = float(np.clip(WIDTH / frames, *FRAME_PX))
    rows = shown_symbols(reading.log_probs, reading.path)
    top = SENSED + WORDS
    width, height = LEFT + frames * step + 12, top + len(rows) * ROW + AXIS
    across = "seconds" if insight.kind == "speech" else "columns of the line"
    told = (
        f"What the network sees, above the probability of each symbol in {frames} frames, and the path that was taken"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}" '
        f'role="img" aria-label={quoteattr(told)} font-family="system-ui, sans-serif" font-size="12" fill="currentColor">',
        *_sensed(insight, step),
        *_words(insight, step),
        *_cells(insight, rows, step, top),
        *_path(reading.path, rows, step, top),
        *_axis(insight, step, top + len(rows) * ROW, across),
        "</svg>",
    ]
    return "\n".join(parts)


def shown_symbols(log_probs: NDArray[np.float32], path: tuple[int, ...]) -> list[int]:
    """The numbers of the symbols that get a row: blank, those on the path, and whatever is likely somewhere."""
    peaks = np.exp(log_probs.max(axis=0))
    peaks[[BLANK, *path]] = 2.0
    order = np.argsort(-peaks, kind="stable")[:MOST_ROWS]
    return sorted(number for number in order.tolist() if peaks[number] >= ROW_LEAST)


def sensed(insight: Insight) -> Image.Image:
    """The features as a grey picture, (T, F) -> T wide and F high: loud or inked is dark, high tones are at the top."""
    if insight.kind == "speech":
        # Columns of mean 0 and variance 1: almost all lies within these bounds.
        shades = np.clip((insight.features.T[::-1] + 1.5) / 4.5, 0, 1)
    else:
        shades = np.clip(insight.features.T, 0, 1)
    return Image.fromarray(np.round(255 * (1 - shades)).astype(np.uint8))


def name(symbol: str) -> str:
    """How a symbol is called on the picture."""
    return "space" if symbol == " " else symbol


def _sensed(insight: Insight, step: float) -> list[str]:
    file = io.BytesIO()
    sensed(insight).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    width = len(insight.features) / insight.shortening * step
    kind, low = ("sound", "low tones") if insight.kind == "speech" else ("line", "")
    return [
        f'<image x="{LEFT}" y="0" width="{width:.1f}" height="{SENSED - 6}" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{data}"/>',
        _text(LEFT - 8, 12, "high tones" if low else kind, "end"),
        *([_text(LEFT - 8, SENSED - 10, low, "end")] if low else []),
    ]


def _words(insight: Insight, step: float) -> list[str]:
    parts = []
    for word in insight.reading.words:
        left, right = LEFT + word.first * step, LEFT + word.last * step
        title = f"{word.text}: {word.confidence:.0%} sure; " + ", ".join(
            f"{other.text or 'nothing'} {other.share:.0%}" for other in word.alternatives[:5]
        )
        parts.append(
            f'<g><title>{escape(title)}</title><line x1="{left:.1f}" x2="{right:.1f}" y1="{SENSED + 20}" y2="{SENSED + 20}" '
            f'stroke="{ORANGE}" stroke-width="3"/>{_text((left + right) / 2, SENSED + 14, word.text, "middle")}</g>'
        )
    return [*parts, _text(LEFT - 8, SENSED + 14, "words", "end")]


def _cells(insight: Insight, rows: list[int], step: float, top: int) -> list[str]:
    reading, parts = insight.reading, []
    probabilities = np.exp(reading.log_probs[:, rows])
    for row, number in enumerate(rows):
        symbol, colour = ("blank", GREY) if number == BLANK else (name(reading.symbols[number - 1]), BLUE)
        y = top + row * ROW
        parts.append(_text(LEFT - 8, y + ROW - 4, symbol, "end"))
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + len(probabilities) * step:.1f}" y1="{y}" y2="{y}" stroke="currentColor" stroke-opacity="0.12"/>'
        )
        for frame in np.flatnonzero(probabilities[:, row] >= CELL_LEAST).tolist():
            chance = float(probabilities[frame, row])
            parts.append(
                f'<rect x="{LEFT + frame * step:.1f}" y="{y + 1}" width="{step:.1f}" height="{ROW - 2}" fill="{colour}" '
                f'fill-opacity="{chance:.3f}"><title>{escape(symbol)} {chance:.1%} at {insight.place(frame):.2f}</title></rect>'
            )
    return parts


def _path(path: tuple[int, ...], rows: list[int], step: float, top: int) -> list[str]:
    places = [
        (LEFT + (frame + 0.5) * step, top + (rows.index(number) + 0.5) * ROW) for frame, number in enumerate(path)
    ]
    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{ORANGE}"/>'
        for (x, y), number in zip(places, path, strict=True)
        if number != BLANK
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return [
        f'<polyline points="{line}" fill="none" stroke="{ORANGE}" stroke-width="1.4" stroke-linejoin="round"/>',
        *dots,
    ]


def _axis(insight: Insight, step: float, y: int, across: str) -> list[str]:
    frames = len(insight.reading.log_probs)
    begin, end = insight.place(0), insight.place(frames)
    parts = [f'<line x1="{LEFT}" x2="{LEFT + frames * step:.1f}" y1="{y}" y2="{y}" stroke="currentColor"/>']
    for mark in plot.ticks(begin, end, 10):
        if begin <= mark <= end:
            x = LEFT + (mark - begin) / insight.step * step
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 5}" stroke="currentColor"/>')
            parts.append(_text(x, y + 18, plot.label(round(mark, 6)), "middle"))
    return [*parts, _text(LEFT - 8, y + 18, across.split()[0], "end")]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
