"""Lines of writing that are none of the page's hand: ends of a neighbouring page's lines, and small print."""

from collections.abc import Sequence

import numpy as np

from recog.layout.sight import Sight
from recog.layout.tracing import Traced

# A piece that runs out of the picture within so many of its heights and is no longer than so many belongs to the page beside.
EDGE, STUB = 0.5, 1.5
# Print is lower than the page's writing by this share at least, and its lines are longer, in heights, than people write:
# their length over their height, and that over their share of the usual height.
LOW, THIN = 0.8, 45.0


def sifted(lines: Sequence[Traced], sight: Sight, width: int, height: int) -> list[Traced]:
    """The lines without those of others; `width` and `height`: of the page as given, in its pixels."""
    if not lines:
        return []
    usual = usual_height(lines)
    return [line for line in lines if not _printed(line, usual) and not _stub(line, sight, width, height)]


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
    x, y = sight.to_page(ends).T
    return bool(((x < 0) | (x > width) | (y < 0) | (y > height)).any())
