"""A page -> its lines in reading order, each cut out and straightened."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from recog.layout import cut as cutting
from recog.layout import order as orders
from recog.layout import sheet as sheets
from recog.layout import sight as sights
from recog.layout.cut import Course, LinePicture
from recog.layout.ink import ink_mask
from recog.layout.order import Extent
from recog.layout.segmenter import Segmenter, shipped
from recog.layout.sheet import Sheet
from recog.layout.sifting import sifted, usual_slope
from recog.layout.sight import Sight
from recog.layout.traced import Traced
from recog.layout.tracing import trace

Values = NDArray[np.float64]

# A picture so many times as wide as high, or lower than so many pixels, is a line, where it has any ink.
LINE_SHAPE, LINE_PX = 6.0, 80
# Pages that stand within so many degrees, and whose writing is so many pixels high as it is looked at, need no second look.
LEVEL_DEGREES, SMALL_PX, LARGE_PX, RIGHT_PX = 1.5, 22.0, 75.0, 40.0
# A line is no longer than so many times its height: what is longer is the edge of a sheet or a rule.
LONGEST = 70.0
# The page lies on its side when the segmenter is so sure of it.
ASIDE = 0.25


def find_lines(
    page: Image.Image, segmenter: Callable[[], Segmenter] = shipped, upside_down: bool = False
) -> list[LinePicture]:
    """A grey page -> its lines in reading order; empty for a page without writing. The segmenter is asked for where it
    is needed: a picture of one line is read without.

    The page may lie on its side, and be askew by up to 15 degrees. Which of both ways up it is shows when it is read:
    `upside_down` gives the lines of the other one. A sheet photographed askew or from the side is set upright first. A picture
    that is far wider than high, or that holds one line alone, is a line already and comes back whole.
    """
    if page.width >= LINE_SHAPE * page.height or page.height < LINE_PX:
        return [LinePicture.whole(page)] if ink_mask(page).any() else []
    sheet = sheets.find(page)
    level = sheet.upright(page) if sheet else page
    sight, lines = _looked(level, segmenter(), 180.0 if upside_down else 0.0)
    if len(lines) == 1 and page.width >= 2 * page.height:
        return [LinePicture.whole(page)]
    smooth = [smoothed(line) for line in lines]
    parted = [line for line in apart(smooth) if line.length < LONGEST * line.height]
    parted = sifted(parted, sight, level.width, level.height)
    extents = [Extent(line.x[0], line.x[-1], float(line.y.mean()), line.height) for line in parted]
    courses = [_course(parted[number], sight, sheet) for number in orders.order(extents)]
    return cutting.cut(page, courses)


def _looked(page: Image.Image, segmenter: Segmenter, degrees: float) -> tuple[Sight, list[Traced]]:
    """The page as it is best looked at, and what is seen there; a second look where the first one was askew."""
    factor = sights.scale(page.width, page.height)
    sight = sights.look(page, factor, degrees)
    maps = segmenter.maps(sight.picture)
    if maps.turns[1] + maps.turns[3] > ASIDE:
        degrees += 90.0
        sight = sights.look(page, factor, degrees)
        maps = segmenter.maps(sight.picture)
    lines = trace(maps)
    if not lines:
        return sight, lines
    tilt, height = usual_slope(lines), float(np.median([line.height for line in lines]))
    wanted = min(1.0, factor * RIGHT_PX / height) if not SMALL_PX <= height <= LARGE_PX else factor
    if abs(tilt) < LEVEL_DEGREES and abs(wanted / factor - 1) < 0.15:
        return sight, lines
    wanted = min(wanted, 1.6 * factor)  # the time it takes grows with the square
    sight = sights.look(page, wanted, degrees + tilt)
    return sight, trace(segmenter.maps(sight.picture))


def smoothed(line: Traced) -> Traced:
    """A line every few pixels, as smooth as hands write; its reach as a hull round what was seen."""
    height = max(line.height, 4.0)
    x = np.linspace(line.x[0], line.x[-1], max(2, int(line.length / (0.25 * height)) + 1))
    degree = int(np.clip(line.length / (3 * height), 1, 5))
    middle, half = (line.x[0] + line.x[-1]) / 2, max(line.length / 2, 1.0)
    curve = np.polynomial.Polynomial.fit((line.x - middle) / half, line.y, degree if len(line.x) > degree + 2 else 1)
    y = curve((x - middle) / half)

    def reach(values: Values) -> Values:
        even = np.interp(x, line.x, values)
        hull = ndimage.maximum_filter1d(ndimage.median_filter(even, 3, mode="nearest"), 3, mode="nearest")
        smooth: Values = ndimage.gaussian_filter1d(hull, 0.8, mode="nearest")
        return smooth

    return Traced(x, np.asarray(y), reach(line.above), reach(line.below), line.likelihood)


def apart(lines: Sequence[Traced]) -> list[Traced]:
    """The lines with no reach beyond the baselines of their neighbours, which belongs to those."""
    clipped = []
    for line in lines:
        above, below = line.above.copy(), line.below.copy()
        for other in lines:
            if other is line or other.x[-1] < line.x[0] or other.x[0] > line.x[-1]:
                continue
            shared = (line.x >= other.x[0]) & (line.x <= other.x[-1])
            gap = line.y - np.interp(line.x, other.x, other.y)
            over, under = shared & (gap > 0), shared & (gap < 0)
            above[over] = np.minimum(above[over], np.maximum(gap, 0.4 * line.height)[over])
            below[under] = np.minimum(below[under], np.maximum(-gap - 0.35 * other.above.mean(), 2.0)[under])
        clipped.append(Traced(line.x, line.y, above, below, line.likelihood))
    return clipped


def _course(line: Traced, sight: Sight, sheet: Sheet | None) -> Course:
    def on_page(y: Values) -> Values:
        points = sight.to_page(np.stack([line.x, y], axis=1))
        return sheet.to_picture(points) if sheet else points

    points, top, foot = (on_page(y) for y in (line.y, line.y - line.above, line.y + line.below))
    return Course(points, np.hypot(*(points - top).T), np.hypot(*(foot - points).T))
