"""Counts -> probabilities: modified Kneser-Ney smoothing, interpolated (Chen and Goodman 1999, section 3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.lm.counts import Counted
from recog.lm.lookup import BEGIN

# Where counts of counts cannot say (small texts, few distinct words): what is taken off counts 1, 2, and 3 or more.
FALLBACK = (0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Smoothed:
    """The n-grams of one order with their probabilities, sorted by (parent, word)."""

    parents: NDArray[np.int32]
    words: NDArray[np.int32]
    suffixes: NDArray[np.int32]
    # How often each occurs in the text, as a part of all its words, <s> and </s>.
    frequencies: NDArray[np.float32]
    # (k,) probability of the last word given those before it.
    probabilities: NDArray[np.float64]
    # (k,) as a context: the weight that the shorter context's probability gets where the next word was not seen.
    weights: NDArray[np.float64]


def discounts(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """What is taken off counts of 0, 1, 2, and 3 or more (Chen and Goodman 1999, equation 26): (4,).

    From n1 to n4, the numbers of n-grams with counts 1 to 4; FALLBACK where one of them is 0 or the outcome is not
    between 0 and the count.
    """
    n1, n2, n3, n4 = (int((counts == times).sum()) for times in range(1, 5))
    if min(n1, n2, n3, n4) > 0:
        share = n1 / (n1 + 2 * n2)
        taken = (1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3)
        if all(0 < off < times for off, times in zip(taken, (1, 2, 3), strict=True)):
            return np.array([0.0, *taken])
    return np.array([0.0, *FALLBACK])


def _adjusted(levels: Sequence[Counted], order: int) -> NDArray[np.integer]:
    """Counts of the highest order as they are; below, how many different words come before each n-gram.

    No word can come before <s>, so what begins with it keeps its count. <s> itself is never foretold: 0.
    """
    level = levels[order - 1]
    if order == len(levels):
        adjusted = level.counts.copy()
    else:
        before = np.bincount(levels[order].suffixes, minlength=len(level.counts))
        adjusted = np.where(level.begins, level.counts, before)
    if order == 1:
        adjusted[BEGIN] = 0
    return adjusted


def smooth(levels: Sequence[Counted], cutoffs: Sequence[int] = ()) -> Iterator[Smoothed]:
    """Probabilities and weights, from the 1-grams up.

    `cutoffs` are for the orders from 2 up, the last one for all orders above it: n-grams that occur so often or less are
    dropped, and what they had goes to the shorter context. They may not fall from one order to the next, so that
    the beginning and the end of every n-gram that stays do stay. Every word but <s> gets a probability above 0.
    """
    # The order below: places of those that stay, -1 for others; and their probabilities.
    stay_below = np.zeros(1, np.int64)
    total = float(levels[0].counts.sum())
    below: Smoothed | None = None
    for order, level in enumerate(levels, 1):
        adjusted = _adjusted(levels, order)
        cutoff = 0 if order == 1 or not cutoffs else cutoffs[min(order - 2, len(cutoffs) - 1)]
        stays = level.counts > cutoff if cutoff else np.ones(len(level.counts), bool)
        taken = np.where(stays, discounts(adjusted)[np.minimum(adjusted, 3)], adjusted)
        contexts = int(level.parents.max(initial=0)) + 1 if order == 1 else len(levels[order - 2].counts)
        totals = np.bincount(level.parents, adjusted, contexts)
        with np.errstate(invalid="ignore"):
            weights = np.where(totals > 0, np.bincount(level.parents, taken, contexts) / totals, 1.0)
        parents, suffixes = level.parents[stays], level.suffixes[stays]
        own = (adjusted - taken)[stays] / totals[parents]
        if below is None:
            # Words rest on all words but <s> being equally likely.
            probabilities = own + weights[0] / (len(level.words) - 1)
            probabilities[BEGIN] = 0.0
        else:
            lower = below.probabilities[stay_below[suffixes]]
            probabilities = own + weights[parents] * lower
            yield _weighted(below, weights[stay_below >= 0])
        below = Smoothed(
            stay_below[parents].astype(np.int32) if order > 1 else parents,
            level.words[stays],
            stay_below[suffixes].astype(np.int32) if order > 1 else suffixes,
            (level.counts[stays] / total).astype(np.float32),
            probabilities,
            np.zeros(0),
        )
        stay_below = np.where(stays, np.cumsum(stays) - 1, -1)
    if below is not None:
        yield _weighted(below, np.ones(len(below.words)))


def _weighted(level: Smoothed, weights: NDArray[np.float64]) -> Smoothed:
    return Smoothed(level.parents, level.words, level.suffixes, level.frequencies, level.probabilities, weights)
