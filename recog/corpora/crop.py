"""A line cut from a page by its outline, or by its baseline: turned level, everything outside the outline paper."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from recog import image
from recog.corpora import media
from recog.formats.document import Point, Region

Corners = NDArray[np.float64]

# Turns smaller than this are left: resampling costs sharpness.
LEVEL_DEGREES = 0.7
# Of the distance between baselines, so much belongs to a line above its baseline and below it.
ABOVE, BELOW = 0.75, 0.3
# Smaller than this is no line.
LEAST_PX = 3


@dataclass(frozen=True)
class Cut:
    """What is to be cut from a page."""

    # (n, 2) corners of the outline in pixels of the page.
    corners: Corners
    # The line is turned by so many degrees clockwise.
    degrees: float = 0.0


def outline(number: int, region: Region, scale: tuple[float, float], page: tuple[int, int]) -> Corners | None:
    """(n, 2) corners in pixels of line `number` of a region, clipped to a page (width, height); None if nothing is left.

    `scale`: pixels for a unit of the file, across and down. A line with only a baseline is given ABOVE and BELOW of
    the distance to its neighbours' baselines; where it has none, of a fortieth of the page's height.
    """
    line = region.lines[number]
    if len(line.polygon) >= 3:
        corners = _scaled(line.polygon, scale)
    elif len(line.baseline) >= 2:
        base = _scaled(line.baseline, scale)
        angle = _angle(base)
        down = np.array([-math.sin(angle), math.cos(angle)])
        pitch = _pitch(region, scale, down) or page[1] / 40
        corners = np.concatenate([base - ABOVE * pitch * down, (base + BELOW * pitch * down)[::-1]])
    else:
        return None
    clipped: Corners = np.clip(corners, 0, np.array(page, float))
    return clipped if (np.ptp(clipped, axis=0) >= LEAST_PX).all() else None


def direction(number: int, region: Region, scale: tuple[float, float]) -> float:
    """Degrees that a line is turned clockwise, -180 to 180: as its baseline runs, else as its region says.

    A baseline that runs right to left, as some tools write it for scripts that do, is taken for one that runs left to
    right: upside-down writing is told by the region's orientation alone.
    """
    base = region.lines[number].baseline
    if len(base) < 2:
        return -region.degrees
    degrees = math.degrees(_angle(_scaled(base, scale)))
    return degrees if abs(degrees) <= 135 else degrees - math.copysign(180, degrees)


def write(picture: Path, cuts: Mapping[Path, Cut]) -> None:
    """Cuts the lines of one page out of its picture, each into a PNG file of its own."""
    page = image.read(picture)
    for target, wanted in cuts.items():
        media.write(target, media.png(cut(page, wanted)))


def cut(page: Image.Image, wanted: Cut) -> Image.Image:
    """The grey picture of a line: its box on the page, turned level, everything outside the outline painted over.

    Paper is the 70th percentile of the line's own pixels, as the features take it (image.features).
    """
    corners = wanted.corners
    turn = math.radians(wanted.degrees) if abs(wanted.degrees) >= LEVEL_DEGREES else 0.0
    cos, sin = math.cos(turn), math.sin(turn)
    level = corners @ np.array([[cos, -sin], [sin, cos]])  # u = x cos + y sin, v = -x sin + y cos
    left, top = np.floor(level.min(axis=0))
    right, bottom = np.ceil(level.max(axis=0))
    size = (int(right - left), int(bottom - top))
    if turn:
        back = (cos, -sin, cos * left - sin * top, sin, cos, sin * left + cos * top)
        picture = page.transform(size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR, fillcolor=255)
    else:
        picture = page.crop((int(left), int(top), int(right), int(bottom)))
    inside = Image.new("1", size)
    ImageDraw.Draw(inside).polygon([(float(u), float(v)) for u, v in level - (left, top)], fill=1)
    mask, values = np.asarray(inside), np.asarray(picture)
    paper = np.percentile(values[mask] if mask.any() else values, 70)
    return Image.fromarray(np.where(mask, values, np.uint8(round(float(paper)))).astype(np.uint8))


def _scaled(points: Sequence[Point], scale: tuple[float, float]) -> Corners:
    return np.array([(point.x, point.y) for point in points]) * scale


def _angle(base: Corners) -> float:
    """Radians, clockwise on a page whose y runs down: from the first to the last point."""
    across, down = base[-1] - base[0]
    return math.atan2(down, across)


def _pitch(region: Region, scale: tuple[float, float], down: NDArray[np.float64]) -> float:
    """The usual distance between neighbouring baselines of the region, along `down`; 0 where there is but one."""
    heights = [_scaled(line.baseline, scale) @ down for line in region.lines if len(line.baseline) >= 2]
    gaps = np.diff(np.sort([float(height.mean()) for height in heights]))
    gaps = gaps[gaps > LEAST_PX]  # pieces of one line side by side
    return float(np.median(gaps)) if len(gaps) else 0.0
