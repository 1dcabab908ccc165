"""What the segmenter is to say of a page whose lines are known: the maps it learns from, drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from recog.layout.marked import Course
from recog.layout.network import MAP_STEP

Array = NDArray[np.float32]

# Thickness of a baseline and of the bar at either end of it, in pixels of the map.
BASELINE_PX, ENDS_PX = 3, 3


@dataclass(frozen=True)
class Targets:
    """Maps of (H / MAP_STEP, W / MAP_STEP) float32."""

    # 1 on a baseline, else 0; 1 at its ends, else 0.
    baseline: Array
    ends: Array
    # On a baseline the natural logs of the pixels its writing reaches up and down; elsewhere 0.
    above: Array
    below: Array


def draw(lines: Sequence[Course], width: int, height: int) -> Targets:
    """The maps of a page of `width` x `height` pixels; lines may run out of it."""
    size = (-(-width // MAP_STEP), -(-height // MAP_STEP))
    maps = [Image.new("F", size) for _ in range(4)]
    baseline, ends, above, below = (ImageDraw.Draw(one) for one in maps)
    for line in lines:
        x, y = (line.points / MAP_STEP).T
        corners = list(zip(x.tolist(), y.tolist(), strict=True))
        baseline.line(corners, fill=1.0, width=BASELINE_PX)
        for start, end, up, down in zip(corners[:-1], corners[1:], line.above, line.below, strict=False):
            above.line([start, end], fill=float(np.log(up)), width=BASELINE_PX)
            below.line([start, end], fill=float(np.log(down)), width=BASELINE_PX)
        for at, inner in ((0, 1), (-1, -2)):
            ends.line(_bar(line, at, inner), fill=1.0, width=ENDS_PX)
    return Targets(*(np.asarray(one, dtype=np.float32) for one in maps))


def _bar(line: Course, at: int, inner: int) -> list[tuple[float, float]]:
    """From the upper to the lower edge of the writing at one end of a line, square to it, a little outside of it."""
    out = line.points[at] - line.points[inner]
    out = out / max(float(np.hypot(*out)), 1e-9)
    up = np.array([out[1], -out[0]])
    up = up if up[1] < 0 else -up
    # Not all the way: bars of lines one above the other must not look like one.
    top, bottom = line.points[at] + 0.7 * up * line.above[at], line.points[at] - 0.5 * up * line.below[at]
    return [(float(x), float(y)) for x, y in np.stack([top, bottom]) / MAP_STEP + out * ENDS_PX / 2]
