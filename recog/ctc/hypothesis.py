"""What a decoder gives, and what it takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.errors import InputError


@dataclass(frozen=True)
class Span:
    """Where a label stands: frames start..end (end not included), and how sure the network is of it, 0 to 1."""

    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class Hypothesis:
    """A labelling of one sample: label numbers (no blanks), the place of each, and a natural-log score."""

    labels: tuple[int, ...]
    spans: tuple[Span, ...]
    score: float


def check_log_probs(log_probs: NDArray[np.float32]) -> None:
    """Refuses anything but a (T, S) matrix whose rows are natural-log probabilities that sum to 1 within 1e-3."""
    if log_probs.ndim != 2 or log_probs.shape[1] < 2:
        raise InputError(f"expected log-probabilities of shape (T, S) with S >= 2, got {log_probs.shape}")
    sums = np.exp(log_probs).sum(axis=1)
    if not np.all(np.abs(sums - 1) <= 1e-3):  # NaN fails the comparison too
        row = int(np.flatnonzero(~(np.abs(sums - 1) <= 1e-3))[0])
        raise InputError(
            f"row {row} of the log-probabilities sums to {sums[row]:.4f} instead of 1; apply log_softmax first"
        )
