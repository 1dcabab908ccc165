"""A line cut from its page: straightened along its baseline, other lines' ink left out, and the way back to the page."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Values = NDArray[np.float64]
Points = tuple[tuple[int, int], ...]

# Writing is cut out so many pixels high at most; recognisers read it smaller still.
HEIGHT_PX = 96
# At either end, so many heights of paper are left.
END = 0.12


@dataclass(frozen=True)
class Course:
    """A line on the page as given, in its pixels."""

    # (n >= 2, 2) where the letters stand, in reading direction.
    points: Values
    # (n,) how far the writing reaches, square to the line.
    above: Values
    below: Values


@dataclass(frozen=True)
class LinePicture:
    """One line cut from a page, and the way from its pixels back to the page's."""

    # Grey, level, everything outside the line's outline painted over with paper.
    picture: Image.Image
    # (n >= 2, 2) places on the page of the picture's upper edge, evenly spaced from its left to its right end.
    edge: Values
    # (2,) page pixels for a pixel downwards in the picture.
    down: Values
    # Where the letters stand and the corners round the writing, in pixels of the page as given.
    baseline: Points
    polygon: Points
    page_width: int
    page_height: int

    @classmethod
    def whole(cls, page: Image.Image) -> "LinePicture":
        """A picture that is a line."""
        width, height = page.size
        edge, base = np.array([[0.0, 0.0], [width, 0.0]]), round(0.75 * height)
        corners = ((0, 0), (width, 0), (width, height), (0, height))
        return cls(page, edge, np.array([0.0, 1.0]), ((0, base), (width, base)), corners, width, height)

    def box(self, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
        """A box in this picture -> the upright box around it on the page as given, clipped to the page."""
        steps = np.linspace(left, right, 2 + int(abs(right - left) / self.picture.width * len(self.edge)))
        places = steps / self.picture.width * (len(self.edge) - 1)
        known = np.arange(len(self.edge))
        edge = np.stack([np.interp(places, known, self.edge[:, axis]) for axis in (0, 1)], axis=1)
        points = np.concatenate([edge + top * self.down, edge + bottom * self.down])
        x, y = points[:, 0].clip(0, self.page_width), points[:, 1].clip(0, self.page_height)
        return (int(x.min()), int(y.min()), int(np.ceil(x.max())), int(np.ceil(y.max())))


def cut(page: Image.Image, lines: list[Course]) -> list[LinePicture]:
    """The pictures of a grey page's lines, in the order given."""
    heights = [float(line.above.max() + line.below.max()) for line in lines]
    step = max(1.0, float(np.median(heights)) / HEIGHT_PX) if lines else 1.0
    shown = page
    if step > 1:  # fewer pixels, each the mean of those it stands for
        size = (max(1, round(page.width / step)), max(1, round(page.height / step)))
        shown = page.resize(size, Image.Resampling.BOX)
    values = np.asarray(shown, dtype=np.float32)
    return [_cut(values, (page.width / shown.width, page.height / shown.height), line, step, page) for line in lines]


def _cut(
    shown: NDArray[np.float32], steps: tuple[float, float], line: Course, step: float, page: Image.Image
) -> LinePicture:
    """`steps`: page pixels for a pixel of `shown`, across and down; `step`: for a pixel of the picture."""
    along = line.points[-1] - line.points[0]
    along = along / max(float(np.hypot(*along)), 1e-9)
    down = np.array([-along[1], along[0]])
    u, v = line.points @ along, line.points @ down
    height = float(line.above.max() + line.below.max())
    width = max(1, round((u[-1] - u[0] + 2 * END * height) / step))
    rows = max(1, round(height / step))
    column = u[0] - END * height + (np.arange(width) + 0.5) * step
    base, above, below = (np.interp(column, u, values) for values in (v, line.above, line.below))
    top = base - line.above.max()
    row = top[None, :] + (np.arange(rows)[:, None] + 0.5) * step
    x = (column * along[0] + row * down[0]) / steps[0] - 0.5
    y = (column * along[1] + row * down[1]) / steps[1] - 0.5
    picture = ndimage.map_coordinates(shown, [y, x], order=1, mode="nearest")
    inside = (row >= base - above) & (row <= base + below)
    paper = float(np.percentile(picture[inside] if inside.any() else picture, 70))
    picture = np.where(inside, picture, paper).round().clip(0, 255).astype(np.uint8)
    ends = np.linspace(column[0] - step / 2, column[-1] + step / 2, max(2, width // 16))
    edge = ends[:, None] * along + (np.interp(ends, u, v) - line.above.max())[:, None] * down
    outline = np.concatenate(
        [line.points - line.above[:, None] * down, (line.points + line.below[:, None] * down)[::-1]]
    )
    size = np.array(page.size)
    return LinePicture(
        Image.fromarray(picture),
        edge,
        down * step,
        _points(line.points.clip(0, size)),
        _points(outline.clip(0, size)),
        page.width,
        page.height,
    )


def _points(points: Values) -> Points:
    return tuple((round(float(x)), round(float(y))) for x, y in points)
