"""Lines of writing that are none of the page's hand: what is seen of a neighbouring page, and small print."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recog.layout.sight import Sight
from recog.layout.traced import Traced

Values = NDArray[np.float64]

# A piece that runs out of the picture within so many of its heights and is no longer than so many belongs to the page beside.
EDGE, STUB = 0.5, 1.5
# Print is lower than the page's writing by this share at least, and its lines are longer, in heights, than people write:
# their length over their height, and that over their share of the usual height.
LOW, THIN = 0.8, 45.0
# A column of so many lines is cut off by the picture's edge where most of them run out of it, and belongs to the page
# beside where it stands so many heights from all other lines and is no longer than this share of theirs.
FEWEST, GUTTER, PART = 4, 2.0, 0.6


def sifted(lines: Sequence[Traced], sight: Sight, width: int, height: int) -> list[Traced]:
    """The lines without those of others; `width` and `height`: of the page as given, in its pixels."""
    if not lines:
        return []
    usual = usual_height(lines)
    kept = [line for line in lines if not _printed(line, usual) and not _stub(line, sight, width, height)]
    for left in (True, False):
        kept = _without_cut_column(kept, left, usual, lambda ends: _outside(ends, sight, width, height))
    return kept


def usual_height(lines: Sequence[Traced]) -> float:
    """How high the writing of a page is: the median over its lines, long ones counting for more; in their pixels."""
    heights, lengths = np.array([line.height for line in lines]), np.array([line.length for line in lines])
    order = np.argsort(heights)
    half = np.searchsorted(np.cumsum(lengths[order]), lengths.sum() / 2)
    return float(heights[order][min(half, len(lines) - 1)])


def _printed(line: Traced, usual: float) -> bool:
    share = line.height / usual
    return share < LOW and line.length > THIN * share * line.height


def _stub(line: Traced, sight: Sight, width: int, height: int) -> bool:
    """Whether a short piece ends where the picture does."""
    if line.length >= STUB * line.height:
        return False
    reach = EDGE * line.height
    ends = np.array([[line.x[0] - reach, line.y[0]], [line.x[-1] + reach, line.y[-1]]])
    return bool(_outside(ends, sight, width, height).any())


def _outside(points: Values, sight: Sight, width: int, height: int) -> NDArray[np.bool_]:
    """(n, 2) places in the picture -> (n,) whether they lie off the page."""
    x, y = sight.to_page(points).T
    off: NDArray[np.bool_] = (x < 0) | (x > width) | (y < 0) | (y > height)
    return off


def _without_cut_column(
    lines: list[Traced], left: bool, usual: float, outside: Callable[[Values], NDArray[np.bool_]]
) -> list[Traced]:
    """The lines without a column at the left, or else at the right, that the edge of the picture cuts off."""
    if len(lines) < 2 * FEWEST:
        return lines
    at, away = (0, -1) if left else (-1, 0)
    sign = 1.0 if left else -1.0
    # How far from the edge each line begins and ends, for the left edge and, mirrored, for the right one.
    near, far = (np.array([sign * line.x[end] for line in lines]) for end in (at, away))
    order = np.argsort(far)
    for count in range(FEWEST, len(lines) - FEWEST + 1):
        column, rest = order[:count], order[count:]
        if near[rest].min() - far[column].max() < GUTTER * usual:
            continue
        ends = np.array([[lines[i].x[at] - sign * EDGE * usual, lines[i].y[at]] for i in column])
        lengths = far - near
        if outside(ends).mean() > 0.5 and np.median(lengths[column]) < PART * np.median(lengths[rest]):
            return [lines[i] for i in sorted(rest)]
    return lines
