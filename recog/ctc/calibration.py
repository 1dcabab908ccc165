"""How sure a decoder is of a word -> how often such words are right.

Posteriors of a network and its beam are overconfident, by how much depends on network, models and weights. What there
is to know of a word (`evidence`) is weighed by logistic regression (Platt 1999); the weighed sum is then bent by a
monotone curve through a few points (isotonic regression by pooling: Ayer et al. 1955, Zadrozny & Elkan 2002). Both are
fitted on rows that are neither trained nor reported on, and kept in the bundle as plain numbers, one set for each way
of decoding.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recog.ctc.hypothesis import Hypothesis
from recog.errors import ConfigError

# Ways of decoding, each with a calibration of its own: best path; beam; beam with language models.
MODES = ("greedy", "beam", "language")
# Fewer words tell too little.
LEAST_WORDS = 100
# Points of the curve: at most so many, each of at least so many words.
_POINTS, _WORDS_A_POINT = 10, 50
# Probabilities nearer to 0 or 1 are as good as these.
_EDGE = 1e-4
# Strength of the ridge on standardised weights: nothing against thousands of words, rest in the face of a few.
_RIDGE = 1.0


@dataclass(frozen=True)
class Calibration:
    """A word's evidence -> the probability that it is right."""

    # Weighed sum of the five columns of `evidence`, and a constant.
    weights: tuple[float, ...]
    bias: float
    # The curve: weighed sums, rising, and the log-odds of being right there, never falling. Between them straight.
    sums: tuple[float, ...]
    log_odds: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != 5:
            raise ConfigError(f"a calibration has 5 weights; {len(self.weights)} came")
        if len(self.sums) != len(self.log_odds) or not self.sums:
            raise ConfigError(f"a calibration's curve has {len(self.sums)} sums and {len(self.log_odds)} log-odds")
        if (np.diff(self.sums) <= 0).any() or (np.diff(self.log_odds) < 0).any():
            raise ConfigError("a calibration's curve must rise")

    def confidences(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 5) evidence -> (n,) probabilities."""
        sums = found @ np.array(self.weights) + self.bias
        # Beyond the curve's ends confidence goes on with the sum, so that the surest word stays the surest.
        beyond = sums - np.clip(sums, self.sums[0], self.sums[-1])
        return expit(np.interp(sums, self.sums, self.log_odds) + beyond)

    def apply(self, hypothesis: Hypothesis) -> Hypothesis:
        """The hypothesis with calibrated words; everything else stays."""
        values = self.confidences(evidence(hypothesis)).tolist()
        words = zip(hypothesis.words, values, strict=True)
        return replace(hypothesis, words=tuple(replace(word, confidence=value) for word, value in words))


def evidence(hypothesis: Hypothesis) -> NDArray[np.float64]:
    """(words, 5): log-odds of the word's posterior, of its least sure character and of its characters' geometric mean;
    log of its length; 1 where the lexicon has it.
    """
    rows = []
    for word in hypothesis.words:
        sure = np.maximum([span.confidence for span in hypothesis.spans[word.first : word.last]], _EDGE)
        odds = logit(np.array([word.confidence, sure.min(), np.exp(np.log(sure).mean())]))
        rows.append([*odds, np.log(len(sure)), float(word.known)])
    return np.array(rows, np.float64).reshape(-1, 5)


def fit(found: NDArray[np.float64], right: NDArray[np.bool_]) -> Calibration:
    """(n, 5) evidence and whether each word was right -> the calibration; the same for the same words.

    Refuses fewer than 100 words.
    """
    if len(found) < LEAST_WORDS:
        raise ConfigError(f"{len(found)} recognised words are too few to calibrate on; {LEAST_WORDS} are needed")
    weights, bias = _regress(found, right.astype(np.float64))
    sums = found @ weights + bias
    points = min(_POINTS, len(sums) // _WORDS_A_POINT)
    groups = np.array_split(np.argsort(sums, kind="stable"), points)
    places = np.array([sums[group].mean() for group in groups])
    # Half a word right and half a word wrong are added: a group without a mistake is no proof.
    rates = np.array([(right[group].sum() + 0.5) / (len(group) + 1) for group in groups])
    heights = logit(pooled(rates, np.array([len(group) for group in groups], np.float64)))
    rising = np.append(True, np.diff(places) > 1e-9)
    return Calibration(tuple(weights.tolist()), bias, tuple(places[rising].tolist()), tuple(heights[rising].tolist()))


def _regress(found: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Weights and constant of the ridge logistic regression, by Newton's method on standardised columns."""
    mean, spread = found.mean(axis=0), np.maximum(found.std(axis=0), 1e-6)
    columns = np.column_stack([(found - mean) / spread, np.ones(len(found))])
    ridge = np.diag([_RIDGE] * found.shape[1] + [1e-3])
    weights = np.zeros(columns.shape[1])
    for _ in range(25):
        chances = expit(columns @ weights)
        slope = columns.T @ (chances - right) + ridge @ weights
        curvature = (columns * (chances * (1 - chances))[:, None]).T @ columns + ridge
        weights = weights - np.linalg.solve(curvature, slope)
    raw: NDArray[np.float64] = weights[:-1] / spread
    return raw, float(weights[-1] - raw @ mean)


def pooled(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The never falling sequence nearest to the values in weighted squares: neighbours that fall are averaged."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (one, one_weight, one_count), (two, two_weight, two_count) = blocks[-2:]
            weight_sum = one_weight + two_weight
            mean = (one * one_weight + two * two_weight) / weight_sum
            blocks[-2:] = [(mean, weight_sum, one_count + two_count)]
    return np.repeat([mean for mean, _, _ in blocks], [count for _, _, count in blocks])


def logit(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds of probabilities, those at the very edges drawn in by 1e-4."""
    inside = np.clip(chances, _EDGE, 1 - _EDGE)
    found: NDArray[np.float64] = np.log(inside / (1 - inside))
    return found


def expit(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of log-odds, without overflow."""
    found: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * odds))
    return found
