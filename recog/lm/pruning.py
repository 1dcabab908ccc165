"""Making a model smaller: entropy pruning (Stolcke 1998), which drops the n-grams that change the model least."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recog.lm.smoothing import Smoothed

_HALVINGS = 40


@dataclass(frozen=True)
class _Context:
    """Sums over the n-grams of one order, for each of their contexts: (contexts,) arrays."""

    # Probability that the context leaves to words that do not follow it, and what they have one order down.
    left: NDArray[np.float64]
    left_below: NDArray[np.float64]


def losses(levels: Sequence[Smoothed]) -> list[NDArray[np.float64]]:
    """For each order from 2 up: relative entropy in nats a word, if this n-gram alone were dropped.

    Stolcke 1998, equation 4. The probability of a context is its relative frequency in the text, not what the model's
    own lower orders say: after Kneser-Ney smoothing they are no frequencies (Chelba et al. 2010).
    """
    result = []
    for below, level in pairwise(levels):
        lower = below.probabilities[level.suffixes]
        sums = _sums(below, level, lower)
        parents = level.parents
        weight = below.weights[parents]
        # The weight that the context would have without this n-gram (equation 2).
        changed = (sums.left[parents] + level.probabilities) / (sums.left_below[parents] + lower)
        log_ratio = np.log(changed) - np.log(weight)
        own = np.log(lower) + np.log(changed) - np.log(level.probabilities)
        result.append(-below.frequencies[parents] * (level.probabilities * own + log_ratio * sums.left[parents]))
    return result


def _sums(below: Smoothed, level: Smoothed, lower: NDArray[np.float64]) -> _Context:
    contexts = len(below.words)
    left_below = np.maximum(1 - np.bincount(level.parents, lower, contexts), 1e-12)
    # Equal to 1 - the sum of the probabilities, without the cancellation.
    return _Context(below.weights * left_below, left_below)


def prune(levels: Sequence[Smoothed], threshold: float, most: int = 0) -> list[Smoothed]:
    """Drops n-grams of order 2 and more that lose less than `threshold` nats a word, and gives their share away.

    An n-gram stays while a longer one begins or ends with it. With `most`, the threshold is raised until at most so
    many n-grams are left, words included.
    """
    lost = losses(levels)
    keep = _kept(levels, lost, threshold)
    if most and sum(int(kept.sum()) for kept in keep) > most:
        # Bisection over the logarithm of the threshold.
        low, high = np.log(max(threshold, 1e-15)), 0.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            tried = _kept(levels, lost, float(np.exp(middle)))
            if sum(int(kept.sum()) for kept in tried) > most:
                low = middle
            else:
                high, keep = middle, tried
            if high - low < 1e-3:
                break
    return _without(levels, keep)


def _kept(levels: Sequence[Smoothed], lost: Sequence[NDArray[np.float64]], threshold: float) -> list[NDArray[np.bool_]]:
    keep = [np.ones(len(levels[0].words), bool), *(loss >= threshold for loss in lost)]
    for order in range(len(levels) - 1, 1, -1):
        keep[order - 1][levels[order].parents[keep[order]]] = True
        keep[order - 1][levels[order].suffixes[keep[order]]] = True
    return keep


def _without(levels: Sequence[Smoothed], keep: Sequence[NDArray[np.bool_]]) -> list[Smoothed]:
    """The kept n-grams; a context that lost some gets the weight with which its probabilities sum to 1 again."""
    smaller: list[Smoothed] = []
    places = np.zeros(1, np.int64)
    for order, level in enumerate(levels):
        kept = keep[order]
        weights = level.weights
        if order + 1 < len(levels):
            above, gone = levels[order + 1], ~keep[order + 1]
            lower = level.probabilities[above.suffixes]
            sums = _sums(level, above, lower)
            freed = np.bincount(above.parents[gone], above.probabilities[gone], len(weights))
            freed_below = np.bincount(above.parents[gone], lower[gone], len(weights))
            weights = (sums.left + freed) / (sums.left_below + freed_below)
            childless = np.bincount(above.parents[~gone], minlength=len(weights)) == 0
            weights[childless] = 1.0
        smaller.append(
            Smoothed(
                places[level.parents[kept]].astype(np.int32) if order else level.parents,
                level.words[kept],
                places[level.suffixes[kept]].astype(np.int32) if order else level.suffixes,
                level.frequencies[kept],
                level.probabilities[kept],
                weights[kept],
            )
        )
        places = np.cumsum(kept) - 1
    return smaller
