"""What a decoder gives, and what it takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.errors import InputError

# Probabilities below this are taken anew in double precision: single precision ends at 1e-38.
_SMALL = 1e-30


@dataclass(frozen=True)
class Span:
    """Where a label stands: frames start..end (end not included), and how sure the network is of it, 0 to 1."""

    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class Word:
    """A word of a hypothesis: its text, the places first..last of its labels (last not included), how sure it is."""

    text: str
    first: int
    last: int
    # The beam's posterior, 0 to 1: how much of it agrees on these labels here.
    confidence: float
    # False for a word outside the decoder's lexicon.
    known: bool = True


@dataclass(frozen=True)
class Parts:
    """What a score is the sum of, weights included, in nats."""

    # The network's log-probability of the labels, summed over alignments.
    acoustic: float
    # Word and character models, and the price of unknown words.
    language: float = 0.0
    # The reward for each word.
    length: float = 0.0
    # Hot phrases.
    boost: float = 0.0


@dataclass(frozen=True)
class Hypothesis:
    """A labelling of one sample: label numbers (no blanks), the place of each, and a natural-log score."""

    labels: tuple[int, ...]
    spans: tuple[Span, ...]
    score: float
    words: tuple[Word, ...] = ()
    # None where nothing but the network had a say and the score was not taken apart.
    parts: Parts | None = None

    @property
    def text(self) -> str:
        """The words, parted by spaces."""
        return " ".join(word.text for word in self.words)


def check_log_probs(log_probs: NDArray[np.float32]) -> None:
    """Refuses anything but a (T, S) matrix whose rows are natural-log probabilities that sum to 1 within 1e-3."""
    probabilities(log_probs)


def probabilities(log_probs: NDArray[np.float32], symbols: int | None = None) -> NDArray[np.float64]:
    """(T, S) natural-log probabilities -> probabilities.

    Refuses anything but a matrix with S >= 2 (or S = `symbols`) whose rows sum to 1 within 1e-3.
    """
    if log_probs.ndim != 2 or log_probs.shape[1] < 2 or symbols not in (None, log_probs.shape[1]):
        wanted = "S >= 2" if symbols is None else f"S = {symbols}"
        raise InputError(f"expected log-probabilities of shape (T, S) with {wanted}, got {log_probs.shape}")
    # Row by row in memory, as compiled code wants it; single precision is several times quicker, and log_probs' own.
    exponents = np.ascontiguousarray(log_probs, np.promote_types(log_probs.dtype, np.float32))
    # A sum past the largest float is no sum to 1 either.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        narrow = np.exp(exponents)
        sums = narrow @ np.ones(narrow.shape[1], narrow.dtype)
    good = np.abs(sums - 1) <= 1e-3  # NaN fails the comparison too
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise InputError(
            f"row {row} of the log-probabilities sums to {sums[row]:.4f} instead of 1; apply log_softmax first"
        )
    found: NDArray[np.float64] = narrow.astype(np.float64, copy=False)
    if narrow.size and narrow.min() < _SMALL:
        small = narrow < _SMALL
        found[small] = np.exp(exponents[small], dtype=np.float64)
    return found
