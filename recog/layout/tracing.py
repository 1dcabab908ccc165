"""The segmenter's maps -> lines: the ridges of the baseline map, followed from column to column and joined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from recog.layout.network import MAP_STEP
from recog.layout.segmenter import Maps

Values = NDArray[np.float64]

# A baseline runs where the map says so at least; a whole line is as likely as this on average.
SEEN, SURE = 0.4, 0.7
# Pieces are joined over gaps of so many times their height, if they are level within this share of it.
GAP, LEVEL = 1.3, 0.3
# A line is at least so many times as long as it is high: a cell with one figure is less long than high.
SHORTEST = 0.5
# A stroke of a line: no longer than so many times the line's height, and no farther from its baseline than this share.
STROKE, WITHIN = 2.5, 0.5
# What ends a line between two pieces, and what cuts a ridge that runs on: cells of a table stand close together.
ENDED, CUT = 0.4, 0.4


@dataclass(frozen=True)
class Traced:
    """A line in pixels of the picture that was looked at, from left to right."""

    # (n,) where the letters stand; x ascends.
    x: Values
    y: Values
    # (n,) how far the writing reaches up and down from there.
    above: Values
    below: Values
    # 0 to 1: how likely it is a line.
    likelihood: float

    @property
    def height(self) -> float:
        """How high the writing is, in pixels."""
        return float(np.median(self.above) + np.median(self.below))

    @property
    def length(self) -> float:
        """From end to end, in pixels."""
        return float(self.x[-1] - self.x[0])


def trace(maps: Maps) -> list[Traced]:
    """Lines of a page that stands upright, within 20 degrees, in no order; none where nothing is likely enough."""
    return _without_strokes(
        [
            line
            for line in _joined(_pieces(maps), maps)
            if line.likelihood >= SURE and line.length >= max(SHORTEST * line.height, 3 * MAP_STEP)
        ]
    )


def _without_strokes(lines: Sequence[Traced]) -> list[Traced]:
    """The lines without what is short and runs within the height of a longer and likelier one: a loop, a descender."""
    kept = []
    for line in lines:
        longer = [
            other
            for other in lines
            if other.length > 2 * line.length
            and other.likelihood > line.likelihood
            and min(line.x[-1], other.x[-1]) - max(line.x[0], other.x[0]) > 0.5 * line.length
            and line.length < STROKE * other.height
        ]
        heights = [(abs(float(np.interp(line.x.mean(), one.x, one.y) - line.y.mean())), one.height) for one in longer]
        if not any(away < WITHIN * height for away, height in heights):
            kept.append(line)
    return kept


def _pieces(maps: Maps) -> list[Traced]:
    """Ridges: pixels that are likelier than those above and below, connected from column to column."""
    smooth = ndimage.gaussian_filter1d(maps.baseline, 0.7, axis=0)
    up, down = np.roll(smooth, 1, axis=0), np.roll(smooth, -1, axis=0)
    ridge = (smooth > SEEN * 0.8) & (smooth >= up) & (smooth > down) & (maps.baseline > SEEN) & (maps.ends < CUT)
    wide = ndimage.binary_dilation(ridge, structure=np.ones((1, 3)))
    labels, _ = ndimage.label(wide, structure=np.ones((3, 3)))
    labels = np.where(ridge, labels, 0)
    pieces = []
    for number, where in enumerate(ndimage.find_objects(labels), start=1):
        if where is None:
            continue
        rows, columns = np.nonzero(labels[where] == number)
        rows, columns = rows + where[0].start, columns + where[1].start
        # One pixel of each column, the likeliest.
        order = np.lexsort((-smooth[rows, columns], columns))
        first = np.unique(columns[order], return_index=True)[1]
        rows, columns = rows[order][first], columns[order][first]
        if len(columns) > 1:
            pieces.append(_line(rows, columns, maps))
    return pieces


def _line(rows: NDArray[np.intp], columns: NDArray[np.intp], maps: Maps) -> Traced:
    # Between the rows: the centre of what lies around the ridge.
    near = np.clip(rows[:, None] + np.arange(-2, 3), 0, len(maps.baseline) - 1)
    weights = maps.baseline[near, columns[:, None]] + 1e-6
    y = (near * weights).sum(axis=1) / weights.sum(axis=1)
    return Traced(
        ((columns + 0.5) * MAP_STEP).astype(np.float64),
        ((y + 0.5) * MAP_STEP).astype(np.float64),
        maps.above[rows, columns].astype(np.float64),
        maps.below[rows, columns].astype(np.float64),
        float(maps.baseline[rows, columns].mean()),
    )


def _joined(pieces: Sequence[Traced], maps: Maps) -> list[Traced]:
    """Pieces of one line put together, the nearest first."""
    lines = sorted(pieces, key=lambda line: line.x[0])
    heights = [line.height for line in lines]
    offers = []
    for left, one in enumerate(lines):
        for right, other in enumerate(lines):
            gap = other.x[0] - one.x[-1]
            height = max(heights[left], heights[right])
            if left == right or not -0.5 * height < gap < GAP * height or other.x[-1] <= one.x[-1]:
                continue
            if abs(one.y[-1] - other.y[0]) > height:
                continue
            step = _step(one, other)
            if step <= LEVEL * height and not _ends_between(one, other, maps):
                offers.append((max(gap, 0.0) + 2 * step, left, right))
    follower: dict[int, int] = {}
    taken: set[int] = set()
    for _, left, right in sorted(offers):
        if left not in follower and right not in taken:
            follower[left] = right
            taken.add(right)
    joined = []
    for number in range(len(lines)):
        if number in taken:
            continue
        chain = [lines[number]]
        while number in follower:
            number = follower[number]
            chain.append(lines[number])
        joined.append(_together(chain))
    return joined


def _step(one: Traced, other: Traced) -> float:
    """Pixels up or down from where the one would go on to where the other begins."""

    def reached(line: Traced, at: float, end: slice) -> float:
        x, y = line.x[end], line.y[end]
        if x[-1] - x[0] < 8:
            return float(y.mean())
        slope, height = np.polyfit(x - x.mean(), y, 1)
        return float(height + np.clip(slope, -0.35, 0.35) * (at - x.mean()))

    middle = (one.x[-1] + other.x[0]) / 2
    return abs(reached(one, middle, slice(-25, None)) - reached(other, middle, slice(None, 25)))


def _ends_between(one: Traced, other: Traced, maps: Maps) -> bool:
    """Whether the map sees a line end between the two, at their height."""
    left, right = one.x[-1] / MAP_STEP - 1, other.x[0] / MAP_STEP + 1
    y = (one.y[-1] + other.y[0]) / 2 / MAP_STEP
    columns = slice(max(0, int(left)), max(int(right) + 1, int(left) + 1))
    seen = maps.ends[max(0, int(y) - 4) : int(y) + 2, columns]
    return bool(seen.size and seen.max() > ENDED)


def _together(chain: Sequence[Traced]) -> Traced:
    x = np.concatenate([line.x for line in chain])
    order = np.unique(x, return_index=True)[1]

    def both(name: str) -> Values:
        values: Values = np.concatenate([getattr(line, name) for line in chain])[order]
        return values

    weights = np.array([len(line.x) for line in chain])
    likelihood = float(np.dot(weights, [line.likelihood for line in chain]) / weights.sum())
    return Traced(x[order], both("y"), both("above"), both("below"), likelihood)
