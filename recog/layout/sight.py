"""How a page is looked at: its size, and which way it is turned."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Values = NDArray[np.float64]

# Pages are looked at with about so many pixels, whatever their shape, and never enlarged.
SIGHT_PIXELS = 800_000


@dataclass(frozen=True)
class Sight:
    """A page as it is looked at, and the way back: page = origin + matrix @ (x, y)."""

    picture: Image.Image
    matrix: Values
    origin: Values

    def to_page(self, points: Values) -> Values:
        """(n, 2) pixels of the picture -> pixels of the page as given."""
        places: Values = points @ self.matrix.T + self.origin
        return places

    @property
    def pixel(self) -> float:
        """Page pixels for a pixel of the picture."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))


def scale(width: int, height: int) -> float:
    """Pixels as the segmenter sees them for a pixel of the page, 0 to 1."""
    return min(1.0, math.sqrt(SIGHT_PIXELS / (width * height)))


def look(page: Image.Image, factor: float, degrees: float) -> Sight:
    """A grey page scaled by `factor` (never above 1) and turned anticlockwise by `degrees`; nothing is cut off.

    What lies outside of the page is filled with its paper. Quarters of a turn cost no sharpness.
    """
    factor = min(factor, 1.0)
    size = (max(1, round(page.width * factor)), max(1, round(page.height * factor)))
    small = page.resize(size, Image.Resampling.BOX) if size != page.size else page
    quarters = round(degrees / 90)
    rest = degrees - 90 * quarters
    paper = int(np.percentile(np.asarray(small), 70))
    shown = small.rotate(90 * quarters, expand=True) if quarters % 4 else small
    shown = shown.rotate(rest, Image.Resampling.BILINEAR, expand=True, fillcolor=paper) if rest else shown
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # A point of the turned picture, from its middle, turned back clockwise: x' = x cos - y sin, y' = x sin + y cos.
    scales = np.array([page.width / size[0], page.height / size[1]])
    matrix = scales[:, None] * np.array([[cos, -sin], [sin, cos]])
    origin = scales * np.array(size) / 2 - matrix @ (np.array(shown.size) / 2)
    return Sight(shown, matrix, origin)
