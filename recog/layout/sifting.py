"""Lines of writing that are none of the page's hand: what is seen of a neighbouring page, print, stamps, stains."""

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
# A stamp is as low, so many heights long at least, and stands so many degrees askew.
STAMP, ASKEW = 5.0, 2.5
# A stain is as low, less than so many heights long, less likely a line than this, and no cell of a table: above and below
# a cell there are so many lines that are seen better and at most so many times as long.
SPECK, FAINT, CELLS, LONGER = 4.0, 0.8, 3, 3.0
# A column of so many lines is cut off by the picture's edge where most of them run out of it, and belongs to the page
# beside where it stands so many heights from all other lines and is no longer than this share of theirs.
FEWEST, GUTTER, PART = 4, 2.0, 0.6


def sifted(lines: Sequence[Traced], sight: Sight, width: int, height: int) -> list[Traced]:
    """The lines without those of others; `width` and `height`: of the page as given, in its pixels."""
    if not lines:
        return []
    usual = usual_height(lines)
    slope = usual_slope(lines)
    sure = [line for line in lines if not _faint(line, usual)]
    kept = [
        line
        for line in lines
        if not _printed(line, usual)
        and not _stamp(line, usual, slope)
        and not _stain(line, usual, sure)
        and not _stub(line, sight, width, height)
    ]
    for left in (True, False):
        kept = _without_cut_column(kept, left, usual, lambda ends: _outside(ends, sight, width, height))
    return kept


def usual_height(lines: Sequence[Traced]) -> float:
    """How high the writing of a page is: the median over its lines, long ones counting for more; in their pixels."""
    return middle([line.height for line in lines], [line.length for line in lines])


def usual_slope(lines: Sequence[Traced]) -> float:
    """Degrees by which the writing of a page falls, the median as above."""
    return middle([_slope(line) for line in lines], [line.length for line in lines])


def middle(values: Sequence[float], lengths: Sequence[float]) -> float:
    """What half of a page's writing stays below: the median over lines, long ones counting for more; at least one line."""
    order = np.argsort(values)
    along = np.cumsum(np.asarray(lengths, dtype=np.float64)[order])
    return float(values[order[min(int(np.searchsorted(along, along[-1] / 2)), len(order) - 1)]])


def _slope(line: Traced) -> float:
    return float(np.degrees(np.arctan(np.polyfit(line.x, line.y, 1)[0])))


def _printed(line: Traced, usual: float) -> bool:
    share = line.height / usual
    return share < LOW and line.length > THIN * share * line.height


def _stamp(line: Traced, usual: float, slope: float) -> bool:
    return line.height < LOW * usual and line.length > STAMP * line.height and abs(_slope(line) - slope) > ASKEW


def _faint(line: Traced, usual: float) -> bool:
    return line.height < LOW * usual and line.length < SPECK * line.height and line.likelihood < FAINT


def _stain(line: Traced, usual: float, sure: Sequence[Traced]) -> bool:
    """Whether a line that is hardly seen stands in no column of cells; `sure`: the lines that are seen."""
    if not _faint(line, usual):
        return False
    column = [
        other
        for other in sure
        if other.length < LONGER * line.length
        and min(line.x[-1], other.x[-1]) - max(line.x[0], other.x[0]) > 0.5 * min(line.length, other.length)
    ]
    return len(column) < CELLS


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
