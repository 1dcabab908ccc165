"""Slow truths: obvious second ways of computing what recog computes fast. For tiny inputs only."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.marks import AFTER, CAPITAL, LOWER, Marked
from recog.restorer import Restorer

Labelling = tuple[int, ...]


def collapse(path: Sequence[int]) -> Labelling:
    """A path's labelling: repeats merged, then blanks (0) dropped (Graves 2006, section 3.1)."""
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol != 0)


def paths(steps: int, symbols: int) -> Iterator[tuple[int, ...]]:
    """All symbols ** steps paths."""
    return itertools.product(range(symbols), repeat=steps)


def path_score(log_probs: NDArray[np.floating], path: Sequence[int]) -> float:
    """The natural-log probability of one path."""
    return float(sum(log_probs[step, symbol] for step, symbol in enumerate(path)))


def log_sum(scores: Sequence[float]) -> float:
    """log(sum(exp(scores)))."""
    top = max(scores)
    return top + math.log(sum(math.exp(score - top) for score in scores)) if top > -math.inf else -math.inf


def labellings(log_probs: NDArray[np.floating]) -> dict[Labelling, float]:
    """Every labelling that (T, S) can spell -> the log of its probability, summed over its alignments."""
    scores: dict[Labelling, list[float]] = {}
    for path in paths(*log_probs.shape):
        scores.setdefault(collapse(path), []).append(path_score(log_probs, path))
    return {labelling: log_sum(of_paths) for labelling, of_paths in scores.items()}


def best_alignment(log_probs: NDArray[np.floating], labels: Labelling) -> tuple[float, tuple[int, ...]]:
    """The likeliest path that spells the labels, and its score; raises ValueError where there is none."""
    return max((path_score(log_probs, path), path) for path in paths(*log_probs.shape) if collapse(path) == labels)


def edit_distance(reference: Sequence[object], hypothesis: Sequence[object]) -> int:
    """Fewest substitutions, deletions and insertions (Wagner & Fischer 1974), by the textbook's table."""
    table = np.zeros((len(reference) + 1, len(hypothesis) + 1), dtype=int)
    table[:, 0], table[0] = np.arange(len(reference) + 1), np.arange(len(hypothesis) + 1)
    for i, expected in enumerate(reference, 1):
        for j, came in enumerate(hypothesis, 1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (expected != came))
    return int(table[-1, -1])


def random_log_probs(steps: int, symbols: int, seed: int, sharpness: float = 1.5) -> NDArray[np.float32]:
    """(T, S) natural-log probabilities of random scores; rows sum to 1."""
    scores = np.random.default_rng(seed).normal(0, sharpness, (steps, symbols))
    return (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32)


@dataclass(frozen=True)
class LSTMWeights:
    """The four gates stacked: input, forget, cell, output."""

    inputs: NDArray[np.float64]
    recurrent: NDArray[np.float64]
    bias: NDArray[np.float64]


def lstm(x: NDArray[np.float64], weights: LSTMWeights) -> NDArray[np.float64]:
    """(T, F) -> (T, H): Hochreiter & Schmidhuber 1997 with the forget gate of Gers 2000, one step after another."""
    hidden = weights.recurrent.shape[1]
    h, c = np.zeros(hidden), np.zeros(hidden)
    outputs = []
    for step in x:
        i, f, g, o = np.split(weights.inputs @ step + weights.recurrent @ h + weights.bias, 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        outputs.append(h)
    return np.array(outputs)


class ByWord(Restorer):
    """Marks that depend on the word alone, so that it does not matter which other words are known."""

    def __init__(self) -> None:
        self.longest = 0

    def likeliest(self, words: Sequence[str]) -> list[Marked]:
        self.longest = max(self.longest, len(words))
        after = {"stop": AFTER.index("."), "then": AFTER.index(",")}
        return [Marked(word, CAPITAL if word == "anna" else LOWER, after.get(word, 0)) for word in words]
