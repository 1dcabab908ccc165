"""Lines -> the order in which they are read: facing pages and columns one after another, else from top to bottom."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A gutter between columns is free of lines, but for this share of them, and at least so many line heights wide.
CROSSING, GUTTER = 0.15, 0.8
# Columns have at least so many lines each, about as long as each other, and overlap in height by half.
FEWEST, ALIKE = 4, 0.5


@dataclass(frozen=True)
class Extent:
    """Where a line lies, in pixels of the upright page."""

    left: float
    right: float
    # Where it stands, in the middle.
    y: float
    height: float


def order(lines: Sequence[Extent]) -> list[int]:
    """The numbers of the lines in reading order."""
    return _read(lines, list(range(len(lines))))


def _read(lines: Sequence[Extent], members: list[int]) -> list[int]:
    cut = _gutter([lines[number] for number in members])
    if cut is None:
        return _rows(lines, members)
    middles = {number: (lines[number].left + lines[number].right) / 2 for number in members}
    columns = [number for number in members if not lines[number].left < cut < lines[number].right]
    left = [number for number in columns if middles[number] < cut]
    right = [number for number in columns if middles[number] >= cut]
    across = [number for number in members if number not in set(columns)]
    top = min(lines[number].y for number in columns)
    above = [number for number in across if lines[number].y <= top]  # a heading over both
    below = [number for number in across if lines[number].y > top]
    return [*_rows(lines, above), *_read(lines, left), *_read(lines, right), *_rows(lines, below)]


def _gutter(lines: Sequence[Extent]) -> float | None:
    """Where the page parts into two columns of text, in pixels; None where it does not."""
    if len(lines) < 2 * FEWEST:
        return None
    height = float(np.median([line.height for line in lines]))
    best, widest = None, GUTTER * height
    edges = sorted(line.right for line in lines)
    for edge in edges[FEWEST - 1 : -FEWEST]:
        starts = [line.left for line in lines if line.left > edge]
        crossing = [line for line in lines if line.left <= edge < line.right]
        if len(starts) < FEWEST or len(crossing) > CROSSING * len(lines):
            continue
        gap = min(starts) - edge
        cut = edge + gap / 2
        if gap > widest and _columns([line for line in lines if line not in crossing], cut):
            best, widest = cut, gap
    return best


def _columns(lines: Sequence[Extent], cut: float) -> bool:
    """Whether both sides are columns of text: alike in length, side by side, neither a table's narrow figures."""
    left = [line for line in lines if line.right <= cut]
    right = [line for line in lines if line.left >= cut]
    if min(len(left), len(right)) < FEWEST:
        return False
    lengths = [float(np.median([line.right - line.left for line in side])) for side in (left, right)]
    tops = [min(one.y for one in side) for side in (left, right)]
    bottoms = [max(one.y for one in side) for side in (left, right)]
    shared = min(bottoms) - max(tops)
    height = float(np.median([line.height for line in lines]))
    return (
        min(lengths) >= ALIKE * max(lengths)
        and min(lengths) >= 5 * height
        and shared >= 0.5 * min(bottom - top for top, bottom in zip(tops, bottoms, strict=True))
    )


def _rows(lines: Sequence[Extent], members: list[int]) -> list[int]:
    """From top to bottom; lines that stand side by side from left to right."""
    waiting = sorted(members, key=lambda number: lines[number].y)
    read: list[int] = []
    while waiting:
        first = waiting[0]
        row = [
            number
            for number in waiting
            if abs(lines[number].y - lines[first].y) < 0.4 * min(lines[number].height, lines[first].height)
        ]
        row.sort(key=lambda number: lines[number].left)
        kept: list[int] = []
        for number in row:  # what lies above or below another one is no neighbour of it
            if not kept or lines[number].left > lines[kept[-1]].right - lines[number].height:
                kept.append(number)
        read += kept
        waiting = [number for number in waiting if number not in set(kept)]
    return read
