"""Lines as they were read -> those that somebody wrote on the page by hand: no stains, no ornaments, no form that was printed."""

import math
from collections.abc import Sequence

import numpy as np

from pipelines.transcript import WrittenLine
from recog.layout.sifting import middle

# A line of a page whose words are less likely right than this on average is a stain or an ornament; so is every line of
# a page on which none reaches the second.
LEAST_LINE, LEAST_PAGE = 0.05, 0.2
# A doubtful line is a cell of a table or hard to read all the same where so many lines of its column are read; those are at most so many
# times as wide as it is, so that a stroke beneath lines of text is none.
CELLS, WIDER = 3, 3.0
# Print is set closer than people write: so many characters at least, each no wider than this share of what the page's
# usually are. A shorter piece is print where it is as close and goes on from such a line, this far off its level at most,
# as a share of its length: where print is broken by what is written across it.
PRINTED, CLOSE, LEVEL = 40, 0.55, 0.05


def written(lines: Sequence[WrittenLine]) -> list[WrittenLine]:
    """The lines of a page without those that nobody wrote."""
    return _by_hand(_legible(lines))


def sure(lines: Sequence[WrittenLine]) -> float:
    """How likely the words of some lines are right on average, long words counting for more; 0 without any."""
    letters = sum(len(word.text) for line in lines for word in line.words)
    return sum(word.confidence * len(word.text) for line in lines for word in line.words) / max(letters, 1)


def width(line: WrittenLine) -> float:
    """From the beginning of its baseline to the end, in pixels."""
    (left, top), (right, bottom) = line.baseline[0], line.baseline[-1]
    return math.hypot(right - left, bottom - top)


def _legible(lines: Sequence[WrittenLine]) -> list[WrittenLine]:
    """The lines that could be read, and doubtful ones in columns that could."""
    how_sure = [sure([line]) for line in lines]
    if max(how_sure, default=0.0) < LEAST_PAGE:
        return []
    places = _along(lines)
    read = [place for place, how in zip(places, how_sure, strict=True) if how >= LEAST_LINE]
    return [
        line
        for line, place, how in zip(lines, places, how_sure, strict=True)
        if how >= LEAST_LINE or sum(_cell_like(place, other) for other in read) >= CELLS
    ]


def _along(lines: Sequence[WrittenLine]) -> list[tuple[float, float]]:
    """Where each line begins and ends in the direction in which the longest one runs, in pixels."""
    (left, top), (right, bottom) = (max(lines, key=width).baseline[end] for end in (0, -1))
    length = max(math.hypot(right - left, bottom - top), 1.0)
    across, down = (right - left) / length, (bottom - top) / length
    ends = [[x * across + y * down for x, y in (line.baseline[0], line.baseline[-1])] for line in lines]
    return [(min(pair), max(pair)) for pair in ends]


def _cell_like(place: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether another line stands in the column of this one and is no longer than a cell of it might be."""
    shared = min(place[1], other[1]) - max(place[0], other[0])
    widths = place[1] - place[0], other[1] - other[0]
    return shared >= 0.5 * min(widths) and widths[1] <= WIDER * widths[0]


def _by_hand(lines: Sequence[WrittenLine]) -> list[WrittenLine]:
    """The lines without what was printed: a form's small print."""
    if not lines:
        return []
    lengths = [width(line) for line in lines]
    pitches = [length / len(line.text) for line, length in zip(lines, lengths, strict=True)]
    usual = middle(pitches, lengths)
    close = [pitch < CLOSE * usual for pitch in pitches]
    printed = [line for line, near in zip(lines, close, strict=True) if near and len(line.text) >= PRINTED]
    return [
        line
        for line, near in zip(lines, close, strict=True)
        if not (near and any(line is other or _goes_on(line, other) for other in printed))
    ]


def _goes_on(line: WrittenLine, printed: WrittenLine) -> bool:
    """Whether a line stands on the level of a printed one, before it or behind it."""
    (left, top), (right, bottom) = printed.baseline[0], printed.baseline[-1]
    x, y = np.mean([line.baseline[0], line.baseline[-1]], axis=0)
    length = max(width(printed), 1.0)
    away = abs((x - left) * (bottom - top) - (y - top) * (right - left)) / length
    return bool(away <= LEVEL * length)
