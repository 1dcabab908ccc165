"""Anchors: places of a long text that are surely heard at some place of a free recognition of the sound.

Runs of symbols that are rare in the text and heard as they are written are chained in order (sparse dynamic
programming, as genome aligners do; Li 2018, minimap2, section 2.1): of all chains the one that explains the most with
the fewest leaps. Symbols, not words: of a recognition that gets half the words wrong most short runs of letters are
right. Chains through text that was not read are thin and are cut out by their support.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
# A run may stand in the text so often; runs that are more frequent say little about the place.
MOST_OCCURRENCES = 4
# So many matches before a match are tried as its predecessor in the chain.
LOOK_BACK = 2000
# Symbols of text and of recognition, on each side of an anchor, over which its support is counted.
REACH = 60
# The least share of those that a chain must match; a chance chain has a few percent, a poor recogniser's 20 or more.
LEAST_SUPPORT = 0.12


@dataclass(frozen=True)
class Anchor:
    """Symbol `written` of the text is symbol `heard` of the recognition."""

    written: int
    heard: int
    # 0 to 1: the share of the symbols around that the chain matches.
    support: float


def find_anchors(written: Sequence[int], heard: Sequence[int]) -> list[Anchor]:
    """Symbol numbers of the text and of the recognition -> anchors, ascending in both, for supported places only."""
    text, sound = np.asarray(written, np.int64), np.asarray(heard, np.int64)
    length = run_length(text)
    if min(len(text), len(sound)) < length:
        return []
    places = _chain(_matches(text, sound, length), length)
    in_text, in_sound = np.zeros(len(text)), np.zeros(len(sound))
    for offset in range(length):
        in_text[places[:, 0] + offset] = 1
        in_sound[places[:, 1] + offset] = 1
    middles = places + length // 2
    support = np.minimum.reduce(
        [_share(in_text, middles[:, 0], side) for side in (-1, 1)]
        + [_share(in_sound, middles[:, 1], side) for side in (-1, 1)]
    )
    return [
        Anchor(int(one), int(other), float(share))
        for (one, other), share in zip(middles, support, strict=True)
        if share >= LEAST_SUPPORT
    ]


def run_length(text: Numbers) -> int:
    """The shortest run, of 4 symbols at least, that a text would hold by chance at fewer than one place in 20."""
    if not len(text):
        return 4
    shares = np.unique(text, return_counts=True)[1] / len(text)
    alike = min(0.5, float(np.square(shares).sum()))  # the chance that two symbols are the same
    return max(4, int(np.ceil(np.log(20 * len(text)) / -np.log(alike))))


def _matches(text: Numbers, sound: Numbers, length: int) -> Numbers:
    """(n, 2) places of equal runs in text and sound, by the place in the sound."""
    codes = np.unique(np.concatenate([text, sound]), return_inverse=True)[1].astype(np.int64)
    for width in range(1, length):  # codes of runs one symbol longer, numbered anew so that they never overflow
        longer = codes[:-1] * (len(text) + len(sound)) + np.concatenate([text, sound])[width:]
        codes = np.unique(longer, return_inverse=True)[1].astype(np.int64)
    # Runs across the seam between text and sound belong to neither.
    of_text, of_sound = codes[: len(text) - length + 1], codes[len(text) :]
    order = np.argsort(of_text, kind="stable")
    first = np.searchsorted(of_text[order], of_sound)
    counts = np.searchsorted(of_text[order], of_sound, side="right") - first
    counts[counts > MOST_OCCURRENCES] = 0
    at = np.repeat(np.arange(len(of_sound)), counts)
    nth = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.column_stack([order[np.repeat(first, counts) + nth], at])


def _chain(matches: Numbers, length: int) -> Numbers:
    """The rows of the best chain: symbols matched, less half the binary logarithm of each leap off the diagonal."""
    if not len(matches):
        return matches
    text, sound = matches[:, 0], matches[:, 1]
    scores = np.full(len(matches), float(length))
    before = np.full(len(matches), -1)
    for number in range(1, len(matches)):
        low = max(0, number - LOOK_BACK)
        forward, later = text[number] - text[low:number], sound[number] - sound[low:number]
        leap = np.abs(forward - later)
        gains = scores[low:number] + np.minimum(np.minimum(forward, later), length) - 0.5 * np.log2(1 + leap)
        gains[(forward <= 0) | (later <= 0)] = -np.inf
        best = int(gains.argmax())
        if gains[best] > length:
            scores[number], before[number] = gains[best], low + best
    chain = [int(scores.argmax())]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return matches[chain[::-1]]


def _share(matched: NDArray[np.float64], places: Numbers, side: int) -> NDArray[np.float64]:
    """The share of matched symbols among the REACH after (side 1) or before (-1) each place; the ends count as matched."""
    total = np.concatenate([[0.0], np.cumsum(np.pad(matched, REACH, constant_values=1.0))])
    start = places + REACH + (0 if side > 0 else -REACH)
    share: NDArray[np.float64] = (total[start + REACH] - total[start]) / REACH
    return share
