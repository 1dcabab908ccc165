"""Several models as one: linear interpolation, with weights found on a held-out text (Jelinek and Mercer 1980)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recog.lm.smoothing import Smoothed

_ROUNDS = 100
_ENOUGH = 1e-4


def mix(models: Sequence[Sequence[Smoothed]], weights: Sequence[float]) -> list[Smoothed]:
    """Models of one order over one vocabulary -> one model that has the n-grams of all of them.

    The probability of each listed n-gram is the weighted mean of what the models say, backing off where they must. What
    is left goes to the shorter context as one share, which is no exact mean any more (as SRILM's ngram -mix-lm, Stolcke
    2002); the probabilities of every context sum to 1.
    """
    vocabulary = len(models[0][0].words)
    mixed: list[Smoothed] = []
    # For each model: place in the mixture of each of its n-grams, and what it says of each n-gram of the mixture.
    places = [np.zeros(1, np.int64) for _ in models]
    said = [np.zeros(1) for _ in models]
    for order in range(len(models[0])):
        levels = [model[order] for model in models]
        own_keys = [
            place[level.parents] * vocabulary + level.words for place, level in zip(places, levels, strict=True)
        ]
        keys = np.unique(np.concatenate(own_keys))
        above, places = places, [np.searchsorted(keys, own) for own in own_keys]
        parents, words = keys // vocabulary, keys % vocabulary
        suffixes, frequencies = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.float32)
        for level, place, place_above, weight in zip(levels, places, above, weights, strict=True):
            suffixes[place] = place_above[level.suffixes]
            frequencies[place] += weight * level.frequencies
        if order:
            contexts = len(mixed[-1].words)
            left, lower_left = np.zeros(contexts), 1 - np.bincount(parents, mixed[-1].probabilities[suffixes], contexts)
            lower = [before[suffixes] for before in said]
            for model, (below, place_above, weight) in enumerate(
                zip((part[order - 1] for part in models), above, weights, strict=True)
            ):
                # A context that the model lacks passes everything on.
                share = np.ones(contexts)
                share[place_above] = below.weights
                left += weight * share * (1 - np.bincount(parents, lower[model], contexts))
                said[model] = share[parents] * lower[model]
            mixed[-1] = _weighted(mixed[-1], np.maximum(left, 1e-12) / np.maximum(lower_left, 1e-12))
        else:
            said = [np.zeros(len(keys)) for _ in models]
        for model, level in enumerate(levels):
            said[model][places[model]] = level.probabilities
        probabilities = np.sum([weight * own for weight, own in zip(weights, said, strict=True)], axis=0)
        mixed.append(
            Smoothed(
                parents.astype(np.int32),
                words.astype(np.int32),
                suffixes.astype(np.int32),
                frequencies,
                probabilities,
                np.ones(len(keys)),
            )
        )
    return mixed


def _weighted(level: Smoothed, weights: NDArray[np.float64]) -> Smoothed:
    return Smoothed(level.parents, level.words, level.suffixes, level.frequencies, level.probabilities, weights)


def best_weights(log_probs: Sequence[NDArray[np.float64]]) -> tuple[float, ...]:
    """Natural logs that several models give the words of a held-out text -> the weights that make it most probable.

    Expectation maximisation from equal weights; it has one maximum (Jelinek and Mercer 1980).
    """
    each = np.stack(log_probs)
    each = np.exp(each - each.max(axis=0))
    weights = np.full(len(each), 1 / len(each))
    for _ in range(_ROUNDS):
        owned = weights[:, None] * each
        renewed = (owned / owned.sum(axis=0)).mean(axis=1)
        done = np.abs(renewed - weights).max() < _ENOUGH
        weights = renewed
        if done:
            break
    return tuple(float(weight) for weight in weights / weights.sum())
