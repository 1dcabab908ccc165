"""Pages whose lines are known, to train and to measure on: a picture, and for each line its baseline, outline and text."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import ManifestError

Points = NDArray[np.float64]
Reach = NDArray[np.float64]

# Pixels between the places at which a line's height is measured.
STEP_PX = 6.0


@dataclass(frozen=True)
class MarkedLine:
    """A line of writing on a page, in pixels of its picture."""

    # (n >= 2, 2) x and y of where the letters stand, in reading direction.
    baseline: Points
    # (m >= 3, 2) corners of the outline of the writing.
    polygon: Points
    # "" where nobody has transcribed it.
    text: str = ""
    # What the manifest asks to leave out when errors of the text are counted.
    left_out: bool = False


@dataclass(frozen=True)
class MarkedPage:
    """A picture and its lines in reading order."""

    picture: Path
    lines: tuple[MarkedLine, ...]
    # Where it comes from, to group by.
    source: str = ""


@dataclass(frozen=True)
class Course:
    """A line as the segmenter is to see it: its baseline, evenly sampled, and the writing's reach at each place."""

    # (n, 2) pixels.
    points: Points
    # (n,) pixels from the baseline to the upper and to the lower edge of the outline, square to the line; at least 1.
    above: Reach
    below: Reach


def read(path: Path) -> list[MarkedPage]:
    """JSON lines, one page each: `image` (relative to the file), `lines` with `baseline`, `polygon`, `text` and, if so,
    `consent`: true for a line that is left out of the errors counted. Refuses anything else by line number.
    """
    return list(_rows(path))


def _rows(path: Path) -> Iterator[MarkedPage]:
    try:
        written = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read as a manifest of pages: {error}") from error
    for number, row in enumerate(written, 1):
        if not row.strip():
            continue
        try:
            page = json.loads(row)
            lines = tuple(_line(line) for line in page["lines"])
            yield MarkedPage(path.parent / page["image"], lines, str(page.get("source", "")))
        except (ValueError, LookupError, TypeError) as error:
            raise ManifestError(
                f"line {number} of {path} is no page: expected 'image' and 'lines' with 'baseline' and 'polygon' "
                f"as lists of [x, y] ({type(error).__name__}: {error})"
            ) from error


def _line(line: dict[str, Any]) -> MarkedLine:
    baseline, polygon = (np.array(line[name], dtype=np.float64) for name in ("baseline", "polygon"))
    if baseline.ndim != 2 or polygon.ndim != 2 or len(baseline) < 2 or len(polygon) < 3 or baseline.shape[1] != 2:
        raise ValueError(f"a line has {len(baseline)} points of baseline and {len(polygon)} of outline")
    return MarkedLine(baseline, polygon, str(line.get("text") or ""), bool(line.get("consent")))


def course(line: MarkedLine) -> Course:
    """Where a line runs and how far its writing reaches, every STEP_PX pixels."""
    points = resample(line.baseline, STEP_PX)
    direction = points[-1] - points[0]
    along = direction / max(float(np.hypot(*direction)), 1e-9)
    turn = np.array([[along[0], -along[1]], [along[1], along[0]]])  # page -> u along the line, v square to it
    level, outline = points @ turn, line.polygon @ turn
    start, end = outline, np.roll(outline, -1, axis=0)
    # (n, m) where the square to the line at each place crosses each edge of the outline.
    # The very ends of an outline have no height; a step inside they have.
    least, most = outline[:, 0].min(), outline[:, 0].max()
    inner = level[:, :1].clip(least + 1e-6, most - 1e-6)
    u = np.where(np.abs(inner - level[:, :1]) < 1.0, inner, level[:, :1])
    crosses = (np.minimum(start[:, 0], end[:, 0]) <= u) & (u <= np.maximum(start[:, 0], end[:, 0]))
    width = end[:, 0] - start[:, 0]
    share = (u - start[:, 0]) / np.where(np.abs(width) < 1e-9, 1.0, width)
    v = start[:, 1] + share * (end[:, 1] - start[:, 1]) - level[:, 1:]
    top, bottom = np.where(crosses, v, np.inf).min(axis=1), np.where(crosses, v, -np.inf).max(axis=1)
    inside = np.isfinite(top)
    if not inside.any():  # an outline beside its baseline: as high as it is
        return Course(points, np.full(len(points), np.ptp(outline[:, 1])), np.full(len(points), 1.0))
    places = np.arange(len(points))
    above = np.interp(places, places[inside], -top[inside])
    below = np.interp(places, places[inside], bottom[inside])
    return Course(points, np.maximum(above, 1.0), np.maximum(below, 1.0))


def resample(points: Points, step: float) -> Points:
    """(n, 2) corners of a line -> (m >= 2, 2) points on it, evenly spaced, `step` apart or a little less."""
    lengths = np.hypot(*np.diff(points, axis=0).T)
    run = np.concatenate([[0.0], np.cumsum(lengths)])
    places = np.linspace(0.0, run[-1], max(2, int(np.ceil(run[-1] / step)) + 1))
    return np.stack([np.interp(places, run, points[:, axis]) for axis in (0, 1)], axis=1)
