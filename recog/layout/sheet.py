"""A photograph -> the sheet on it: a quadrilateral brighter than what it lies on, or a scan turned on a larger canvas, set upright."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from recog.layout.ink import otsu

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Sheets are looked for on a picture of at most so many pixels a side.
LOOK_PX = 320
# A sheet takes this share of the picture at least, and fills its hull and its quadrilateral to this share. What lies on a
# table is seen whole: its corners are away from the picture's edge by this share of its longer side; those of a turned
# page may lie on the edge, and beyond it by as much.
LEAST, FULL, ROOM = 0.2, 0.94, 0.01
# It is askew where a side of it leans by so many degrees or more; its corners are within so many degrees of square.
ASKEW, SQUARE = 2.0, 32.0
# It is brighter than what it lies on by so many grey values at every side, this share of the picture's longer side away from it.
STEP, BESIDE = 20.0, 0.012
# A canvas is of one grey value but for so much, as JPEG leaves it.
FLAT = 3
CORNERS = ((0, 0), (0, -1), (-1, 0), (-1, -1))


@dataclass(frozen=True)
class Sheet:
    """A sheet of paper on a picture."""

    # (4, 2) its corners in pixels of the picture: top left, top right, bottom right, bottom left.
    corners: Values

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet set upright: its longer sides, in pixels."""
        sides = np.hypot(*(np.roll(self.corners, -1, axis=0) - self.corners).T)
        return max(1, round(max(sides[0], sides[2]))), max(1, round(max(sides[1], sides[3])))

    @cached_property
    def homography(self) -> Values:
        """(3, 3) from the upright sheet's pixels to the picture's, both homogeneous."""
        width, height = self.size
        upright = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
        rows, wanted = [], []
        for (x, y), (u, v) in zip(upright, self.corners, strict=True):
            rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
            wanted += [u, v]
        return np.append(np.linalg.solve(np.array(rows), np.array(wanted)), 1.0).reshape(3, 3)

    def to_picture(self, points: Values) -> Values:
        """(n, 2) pixels of the upright sheet -> pixels of the picture."""
        places = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ self.homography.T
        found: Values = places[:, :2] / places[:, 2:]
        return found

    def upright(self, picture: Image.Image) -> Image.Image:
        """The sheet as if it had been scanned: level, square and without what it lies on."""
        data = tuple(self.homography.ravel()[:8])
        return picture.transform(self.size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC)


def find(picture: Image.Image) -> Sheet | None:
    """The sheet on a grey picture where it is seen whole and lies askew or was seen from the side; else None.

    A sheet whose sides run as the picture's do is left alone: nothing is to be set upright.
    """
    factor = min(1.0, LOOK_PX / max(picture.size))
    size = (max(8, round(picture.width * factor)), max(8, round(picture.height * factor)))
    small = picture.resize(size, Image.Resampling.BOX)
    scale = np.array(picture.size) / np.array(size)
    corners = _quadrilateral(_canvas(small), -ROOM)
    if corners is not None and _askew(corners):
        return Sheet(corners * scale)
    corners = _quadrilateral(_bright(small), ROOM)
    if corners is not None and _askew(corners) and _stands_out(small, corners):
        return Sheet(corners * scale)
    return None


def _canvas(small: Image.Image) -> Mask | None:
    """What is not of the corners' one grey value, connected with a corner: a page that was turned on a larger canvas."""
    grey = np.asarray(small, dtype=np.int16)
    corners = [grey[row, column] for row, column in CORNERS]
    if max(corners) - min(corners) > FLAT:
        return None
    flat = ndimage.maximum_filter(grey, 3) - ndimage.minimum_filter(grey, 3) <= FLAT
    alike, _ = ndimage.label(flat & (np.abs(grey - corners[0]) <= FLAT))
    outside = np.isin(alike, [alike[row, column] for row, column in CORNERS if alike[row, column]])
    # The edge between both is flat on neither side.
    return _largest(np.asarray(~ndimage.binary_dilation(outside)))


def _bright(small: Image.Image) -> Mask | None:
    """The largest part brighter than the rest, writing on it included; None where the picture's edge is as bright."""
    grey = np.asarray(small)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if np.median(edge) > np.percentile(grey, 70) - STEP:
        return None
    still = small.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.GaussianBlur(1.5))
    soft = np.asarray(still).astype(np.float32) / np.float32(255)
    mask = ndimage.binary_opening(soft > otsu(soft), iterations=3)
    found: Mask = ndimage.binary_erosion(_largest(mask), iterations=2)  # what the brightest of five pixels added
    return found


def _largest(mask: Mask) -> Mask:
    """The largest connected part, its holes filled."""
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    largest: Mask = ndimage.binary_fill_holes(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]))
    return largest


def _quadrilateral(mask: Mask | None, room: float) -> Values | None:
    """Corners of the quadrilateral that a part of the picture fills, clockwise from the top left; None if it is of another
    shape or nearer to the picture's edge than `room`, a share of its longer side."""
    if mask is None or not LEAST * mask.size <= mask.sum() < mask.size:
        return None
    rows, columns = np.nonzero(mask ^ ndimage.binary_erosion(mask))
    points = np.stack([columns, rows], axis=1) + 0.5
    try:
        hull = points[ConvexHull(points).vertices]
    except QhullError:  # all on one line
        return None
    if mask.sum() < FULL * _area(hull):
        return None
    corners = _four(hull)
    if corners is None or _area(hull) < FULL * _area(corners):
        return None
    away = np.minimum(corners, np.array(mask.shape[::-1]) - corners)
    if away.min() < room * max(mask.shape):
        return None
    sides = np.roll(corners, -1, axis=0) - corners
    angles = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
    turns = (np.diff(angles, append=angles[0]) + 180) % 360 - 180
    if np.abs(np.abs(turns) - 90).max() > SQUARE:
        return None
    corners = corners if turns.sum() > 0 else corners[::-1]  # clockwise, as rows go down
    return np.roll(corners, -int(np.argmin(corners.sum(axis=1))), axis=0)


def _four(hull: Values) -> Values | None:
    """A convex polygon -> the quadrilateral around it that is left when the sides that add least are dropped one by one."""
    corners = list(hull)
    while len(corners) > 4:
        best, least = None, np.inf
        for number in range(len(corners)):
            before, start, end, after = (corners[(number + step) % len(corners)] for step in (-1, 0, 1, 2))
            met = _crossing(before, start, end, after)
            if met is not None and (added := _area(np.array([start, met, end]))) < least:
                best, least = (number, met), added
        if best is None:
            return None
        number, met = best
        corners[number] = met
        del corners[(number + 1) % len(corners)]
    return np.array(corners) if len(corners) == 4 else None


def _crossing(before: Values, start: Values, end: Values, after: Values) -> Values | None:
    """Where the line from `before` on through `start` meets that from `after` on through `end`; None where they part."""
    one, other = start - before, end - after
    across = one[0] * other[1] - one[1] * other[0]
    if abs(across) < 1e-9:
        return None
    gap = end - start
    along, back = (gap[0] * other[1] - gap[1] * other[0]) / across, (gap[0] * one[1] - gap[1] * one[0]) / across
    return start + along * one if along >= 0 and back >= 0 else None


def _area(polygon: Values) -> float:
    x, y = polygon.T
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def _askew(corners: Values) -> bool:
    sides = np.roll(corners, -1, axis=0) - corners
    lean = np.degrees(np.arctan2(np.abs(sides).min(axis=1), np.abs(sides).max(axis=1)))
    return bool(lean.max() >= ASKEW)


def _stands_out(small: Image.Image, corners: Values) -> bool:
    """Whether the sheet is brighter than what it lies on along every side."""
    soft = np.asarray(small.filter(ImageFilter.MedianFilter(5)), dtype=np.float64)
    middle, away = corners.mean(axis=0), BESIDE * max(small.size)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        points = start + np.linspace(0.1, 0.9, 41)[:, None] * (end - start)
        inward = np.array([start[1] - end[1], end[0] - start[0]])
        inward = away * inward * np.sign(inward @ (middle - start)) / np.hypot(*inward)
        if np.median(_values(soft, points + inward) - _values(soft, points - inward)) < STEP:
            return False
    return True


def _values(grey: Values, points: Values) -> Values:
    x, y = points.T
    rows, columns = y.astype(int).clip(0, len(grey) - 1), x.astype(int).clip(0, grey.shape[1] - 1)
    found: Values = grey[rows, columns]
    return found
