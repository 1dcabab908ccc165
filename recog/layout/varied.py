"""Samples for the segmenter: a square out of a page, turned, scaled, shadowed and worn at random, and its maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from recog.layout import columned, invented, targets
from recog.layout.marked import Course
from recog.layout.targets import Targets

Random = np.random.Generator


@dataclass(frozen=True)
class Variety:
    """How much pages are changed."""

    # Side of the square, in pixels as the network sees them; a multiple of 32.
    size_px: int = 576
    # Share of samples that are drawn text, that have no writing, and of real ones that are turned by quarters (which
    # teach that turn alone) and that are parted into columns.
    drawn: float = 0.08
    empty: float = 0.1
    quarters: float = 0.1
    parted: float = 0.25
    # Pages are turned by up to so many degrees, most of them by few.
    degrees: float = 16.0
    # And scaled by up to this factor, up or down.
    scale: float = 1.5


@dataclass(frozen=True)
class SourcePage:
    """A page in memory: its grey picture, its lines, and the scale at which it is looked at."""

    picture: Image.Image
    lines: tuple[Course, ...]
    scale: float


@dataclass(frozen=True)
class Sample:
    """A square for the network."""

    picture: Image.Image
    targets: Targets
    # Quarters anticlockwise that set it upright; -1 where nothing tells. Maps count for 0 and -1 alone.
    quarters: int


def sample(pages: Sequence[SourcePage], variety: Variety, random: Random) -> Sample:
    """One square, of any of the kinds."""
    kind, size = random.random(), variety.size_px
    if kind < variety.empty:
        picture = invented.empty(size, random)
        return Sample(worn(picture, random), targets.draw((), size, size), -1)
    if kind < variety.empty + variety.drawn:
        text = invented.drawn(size, random)
        return _square(SourcePage(text.picture, text.lines, 1.0), variety, random)
    # A table of a hundred lines shows more than a page of four, but not so much more.
    weights = np.array([len(page.lines) + 1.0 for page in pages]) ** 0.6
    page = pages[int(random.choice(len(pages), p=weights / weights.sum()))]
    if random.random() < variety.parted:
        picture, lines = columned.parted(page.picture, page.lines, random)
        page = SourcePage(picture, lines, page.scale)
    return _square(page, variety, random)


def _square(page: SourcePage, variety: Variety, random: Random) -> Sample:
    """A square about a place on the page, where there is writing more often than not."""
    size = variety.size_px
    spread = variety.degrees if random.random() < 0.3 else 1.5
    turn = np.radians(random.uniform(-spread, spread))
    scale = page.scale * variety.scale ** random.uniform(-1, 1)
    width, height = page.picture.size
    middle = random.uniform(0.1, 0.9, 2) * (width, height)
    if page.lines and random.random() < 0.7:
        line = page.lines[int(random.integers(len(page.lines)))]
        middle = line.points[int(random.integers(len(line.points)))] + random.normal(0, 0.15 * size / scale, 2)
    # Square pixel (u, v) -> page: middle + R (u, v - size / 2) / scale.
    cos, sin = np.cos(turn) / scale, np.sin(turn) / scale
    offset = middle - np.array([[cos, -sin], [sin, cos]]) @ [size / 2, size / 2]
    data = (cos, -sin, offset[0], sin, cos, offset[1])
    outside = int(random.choice(np.array([0, 255, random.integers(0, 256)])))
    picture = page.picture
    picture = picture.transform(
        (size, size), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR, fillcolor=outside
    )
    # And back: R^T (p - middle) scale + size / 2; rows are points, so R stands for its transpose.
    back = np.array([[cos, -sin], [sin, cos]]) * scale**2
    lines = []
    for line in page.lines:
        points = (line.points - middle) @ back + size / 2
        if ((points > -40) & (points < size + 40)).all(axis=1).any():
            lines.append(Course(points, line.above * scale, line.below * scale))
    picture = worn(picture, random)
    inside = sum(bool(((line.points > 0) & (line.points < size)).all(axis=1).mean() > 0.5) for line in lines)
    if inside < 3:
        return Sample(picture, targets.draw(lines, size, size), -1)
    quarters = int(random.integers(1, 4)) if random.random() < variety.quarters else 0
    # Turned clockwise by that many, so that as many anticlockwise set it upright.
    picture = picture.rotate(-90 * quarters) if quarters else picture
    return Sample(picture, targets.draw(lines, size, size), quarters)


def worn(picture: Image.Image, random: Random) -> Image.Image:
    """Contrast, brightness, shadow, blur, noise, rules and a dark edge, each now and then."""
    size = picture.width
    if random.random() < 0.15:
        picture = picture.copy()
        shade = int(np.asarray(picture).mean() * random.uniform(0.5, 0.95))
        invented.ruled(picture, shade, random.uniform(10, 50), random.random() < 0.4)
    if random.random() < 0.25:
        picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.4)))
    values: NDArray[np.floating[Any]] = np.asarray(picture, dtype=np.float32)
    if random.random() < 0.5:
        values = values * random.uniform(0.5, 1.0) + random.uniform(0, 60)
        values = 255 * (np.clip(values, 0, 255) / 255) ** random.uniform(0.6, 1.6)
    if random.random() < 0.3:
        values = values * (1 - random.uniform(0.1, 0.7) * (invented.clouds(size, random) / 255)).astype(np.float32)
    if random.random() < 0.15:  # the edge of a shadow
        normal, at = random.normal(0, 1, 2), random.uniform(0.2, 0.8) * size
        y, x = np.mgrid[:size, :size]
        side = (x - size / 2) * normal[0] + (y - size / 2) * normal[1] > at - size / 2
        values = np.where(side, values * random.uniform(0.4, 0.8), values)
    if random.random() < 0.4:
        values = values + random.normal(0, random.uniform(1, 12), values.shape)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
