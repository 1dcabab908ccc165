"""Lines that were found against lines that are there: which are which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from recog.layout.marked import Points, resample

# Baselines are compared at places so many pixels apart.
STEP_PX = 5.0


@dataclass(frozen=True)
class Matches:
    """Lines of one page or of many; sums of counts are the counts of the whole."""

    there: int
    found: int
    # (number of the line that is there, number of the line that was found).
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class LineScores:
    """Shares, 0 to 1, of many pages."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of both; 0 where both are."""
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-9)


def scores(pages: Sequence[Matches]) -> LineScores:
    """Precision and recall over all lines of all pages; nothing found is precise, nothing there is all found."""
    there, found = sum(page.there for page in pages), sum(page.found for page in pages)
    matched = sum(len(page.pairs) for page in pages)
    return LineScores(matched / found if found else 1.0, matched / there if there else 1.0)


def match(there: Sequence[Points], found: Sequence[Points]) -> Matches:
    """Baselines, (n, 2) pixels each, matched one to one where they run within half the page's median line distance.

    How far two baselines are apart is the mean distance of the points of one to the other one's, the larger of both
    ways: a piece of a line, or two lines in one, lies away from what it leaves out. All pairs together lie as near as
    can be.
    """
    if not there or not found:
        return Matches(len(there), len(found), ())
    distances = apart(there, found)
    tolerance = 0.5 * line_distance(there)
    rows, columns = linear_sum_assignment(np.where(distances <= tolerance, distances, 1e6))
    near = [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
    pairs = tuple((row, column) for row, column in near if distances[row, column] <= tolerance)
    return Matches(len(there), len(found), pairs)


def apart(there: Sequence[Points], found: Sequence[Points]) -> NDArray[np.float64]:
    """(lines there, lines found): the larger of the two mean distances in pixels."""
    first, second = ([resample(points, STEP_PX) for points in lines] for lines in (there, found))
    distances = np.empty((len(first), len(second)))
    for row, one in enumerate(first):
        for column, other in enumerate(second):
            squares = np.hypot(*(one[:, None] - other[None]).transpose(2, 0, 1))
            distances[row, column] = max(squares.min(axis=1).mean(), squares.min(axis=0).mean())
    return distances


def line_distance(lines: Sequence[Points]) -> float:
    """The median over lines of the distance to the nearest line above or below, in pixels.

    Above or below is what shares at least a third of the shorter one's width; a page without such lines counts as one
    whose lines are as far apart as a tenth of the longest. Of a page on its side, whose lines run up or down, read
    left or right of it instead.
    """
    along = np.abs(sum((points[-1] - points[0] for points in lines), np.zeros(2)))
    if along[1] > along[0]:
        lines = [points[:, ::-1] for points in lines]
    gaps = []
    ends = [(points[:, 0].min(), points[:, 0].max()) for points in lines]
    for number, points in enumerate(lines):
        left, right = ends[number]
        nearest = np.inf
        for other, (start, end) in enumerate(ends):
            shared = min(right, end) - max(left, start)
            if other == number or shared <= min(right - left, end - start) / 3:
                continue
            at = np.linspace(max(left, start), min(right, end), 9)
            nearest = min(nearest, float(np.abs(_height(points, at) - _height(lines[other], at)).mean()))
        if np.isfinite(nearest):
            gaps.append(nearest)
    return float(np.median(gaps)) if gaps else 0.1 * max(float(right - left) for left, right in ends)


def _height(points: Points, at: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(points[:, 0])
    heights: NDArray[np.float64] = np.interp(at, points[order, 0], points[order, 1])
    return heights
