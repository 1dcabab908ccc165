"""A scanned page -> the same page as somebody might photograph it: on a table, turned, from the side, in uneven light."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

from recog.layout.marked import Points
from recog.layout.sheet import Sheet

# The picture's sides are so many times the page's; the page is turned by up to so many degrees, and each corner is moved by
# up to this share of its sides.
ROOM, DEGREES, MOVED = 1.25, 24.0, 0.14
# The table's grey value at most, and how much of the light is lost towards one side.
TABLE, SHADE = 80, 0.35


def photographed(page: Image.Image, lines: Sequence[Points], seed: int) -> tuple[Image.Image, list[Points]]:
    """A grey page and its lines, (n, 2) pixels each, as the photograph shows them; the same for the same seed."""
    random = np.random.default_rng(seed)
    width, height = page.size
    size = round(ROOM * width), round(ROOM * height)
    turn = np.radians(random.uniform(-DEGREES, DEGREES))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    corners = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = corners + random.uniform(-MOVED, MOVED, (4, 2)) * (width, height)
    corners = corners * min(1.0, *(0.94 * np.array(size) / np.ptp(corners, axis=0)))
    corners = corners + np.array(size) / 2 - (corners.max(axis=0) + corners.min(axis=0)) / 2
    sheet = Sheet(corners)
    scale = np.array(sheet.size) / page.size
    back = np.linalg.inv(sheet.homography @ np.diag([*scale, 1.0]))
    data = tuple((back / back[2, 2]).ravel()[:8])
    seen = page.transform(size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC)
    shape = Image.new("L", page.size, 255).transform(size, Image.Transform.PERSPECTIVE, data)
    grain = random.normal(random.uniform(0.4, 0.9) * TABLE, 14, size[::-1]).clip(0, 255).astype(np.uint8)
    table = Image.fromarray(grain).filter(ImageFilter.GaussianBlur(1))
    way = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
    light = 1 - SHADE * (0.5 + 0.35 * (x * np.cos(way) + y * np.sin(way)))
    shown = np.asarray(Image.composite(seen, table, shape)) * light
    return Image.fromarray(shown.clip(0, 255).astype(np.uint8)), [sheet.to_picture(line * scale) for line in lines]
