"""The segmenter's maps -> lines: the ridges of the baseline map, followed from column to column and joined."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from recog.layout.joining import joined
from recog.layout.network import MAP_STEP
from recog.layout.segmenter import Maps
from recog.layout.traced import Traced

# A baseline runs where the map says so at least; a whole line is as likely as this on average.
SEEN, SURE = 0.4, 0.7
# A line is at least so many times as long as it is high: a cell with one figure is less long than high.
SHORTEST = 0.5
# A stroke of a line: no longer than so many times the line's height, and no farther from its baseline than this share.
STROKE, WITHIN = 2.5, 0.5
# What cuts a ridge that runs on: cells of a table stand close together.
CUT = 0.4


def trace(maps: Maps) -> list[Traced]:
    """Lines of a page that stands upright, within 20 degrees, in no order; none where nothing is likely enough."""
    return _without_strokes(
        [
            line
            for line in joined(_pieces(maps), maps)
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
