"""Pieces of ridges -> lines: what continues each other is put together, what a line's end parts is not.

An end that the map sees between two level pieces is one where others above and below it end or begin as well, as the
cells of a table do. Where they run on past it, it is a rule of squared paper, a stroke or a wide gap between words.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recog.layout.network import MAP_STEP
from recog.layout.segmenter import Maps
from recog.layout.traced import Traced

Values = NDArray[np.float64]

# Pieces are joined over gaps of so many times their height, if they are level within this share of it.
GAP, LEVEL = 1.3, 0.3
# What ends a line between two pieces.
ENDED = 0.4
# An end stands alone where this many times as many lines run on past it as end there: of those that are so many heights
# away at most, and end within so many heights to its left or right.
ALONE, AROUND, ALIGNED = 2.0, 8.0, 0.7


def joined(pieces: Sequence[Traced], maps: Maps) -> list[Traced]:
    """Pieces of one line put together, the nearest first; then those that an end parts which stands alone."""
    lines = _chained(pieces, lambda one, other: not _ends_between(one, other, maps))
    return _chained(lines, lambda one, other: _alone(one, other, lines))


def _chained(lines: Sequence[Traced], follows: Callable[[Traced, Traced], bool]) -> list[Traced]:
    """Each line with the ones that continue it, where `follows` allows it."""
    lines = sorted(lines, key=lambda line: line.x[0])
    heights = [line.height for line in lines]
    offers = []
    for left, one in enumerate(lines):
        for right, other in enumerate(lines):
            gap = other.x[0] - one.x[-1]
            height = max(heights[left], heights[right])
            if left == right or not -0.5 * height < gap < GAP * height or other.x[-1] <= one.x[-1]:
                continue
            if abs(one.y[-1] - other.y[0]) > height:
                continue
            step = _step(one, other)
            if step <= LEVEL * height and follows(one, other):
                offers.append((max(gap, 0.0) + 2 * step, left, right))
    follower: dict[int, int] = {}
    taken: set[int] = set()
    for _, left, right in sorted(offers):
        if left not in follower and right not in taken:
            follower[left] = right
            taken.add(right)
    chains = []
    for number in range(len(lines)):
        if number in taken:
            continue
        chain = [lines[number]]
        while number in follower:
            number = follower[number]
            chain.append(lines[number])
        chains.append(_together(chain))
    return chains


def _step(one: Traced, other: Traced) -> float:
    """Pixels up or down from where the one would go on to where the other begins."""

    def reached(line: Traced, at: float, end: slice) -> float:
        x, y = line.x[end], line.y[end]
        if x[-1] - x[0] < 8:
            return float(y.mean())
        slope, height = np.polyfit(x - x.mean(), y, 1)
        return float(height + np.clip(slope, -0.35, 0.35) * (at - x.mean()))

    middle = (one.x[-1] + other.x[0]) / 2
    return abs(reached(one, middle, slice(-25, None)) - reached(other, middle, slice(None, 25)))


def _ends_between(one: Traced, other: Traced, maps: Maps) -> bool:
    """Whether the map sees a line end between the two, at their height."""
    left, right = one.x[-1] / MAP_STEP - 1, other.x[0] / MAP_STEP + 1
    y = (one.y[-1] + other.y[0]) / 2 / MAP_STEP
    columns = slice(max(0, int(left)), max(int(right) + 1, int(left) + 1))
    seen = maps.ends[max(0, int(y) - 4) : int(y) + 2, columns]
    return bool(seen.size and seen.max() > ENDED)


def _alone(one: Traced, other: Traced, lines: Sequence[Traced]) -> bool:
    """Whether lines above and below run on past the gap between two lines rather than end or begin there too."""
    x, y = (one.x[-1] + other.x[0]) / 2, (one.y[-1] + other.y[0]) / 2
    height = max(one.height, other.height)
    reach = ALIGNED * height
    through = beginning = ending = 0
    for line in lines:
        if line is one or line is other or line.x[0] > x + reach or line.x[-1] < x - reach:
            continue
        if abs(float(np.interp(x, line.x, line.y)) - y) > AROUND * height:
            continue
        begins, ends = abs(line.x[0] - x) <= reach, abs(line.x[-1] - x) <= reach
        beginning, ending = beginning + begins, ending + ends
        through += not begins and not ends
    return through > ALONE * max(beginning, ending) + 1


def _together(chain: Sequence[Traced]) -> Traced:
    if len(chain) == 1:
        return chain[0]
    x = np.concatenate([line.x for line in chain])
    order = np.unique(x, return_index=True)[1]

    def both(name: str) -> Values:
        values: Values = np.concatenate([getattr(line, name) for line in chain])[order]
        return values

    weights = np.array([len(line.x) for line in chain])
    likelihood = float(np.dot(weights, [line.likelihood for line in chain]) / weights.sum())
    return Traced(x[order], both("y"), both("above"), both("below"), likelihood)
