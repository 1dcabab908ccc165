"""Log-probabilities of two windows that overlap -> those of the whole; and where they may be parted between words.

At the edges of a window a bidirectional network knows one side only, so what it hears twice is taken from the window
that knows more around it. The seam lies where both windows say blank: there no letter is lost or doubled, though they
may have it a frame apart.
"""

import numpy as np
from numpy.typing import NDArray

from recog.alphabet import BLANK

LogProbs = NDArray[np.float32]

# Frames around a seam that should be blank too.
_CALM = 2


def seam(left: LogProbs, right: LogProbs, offset: int) -> int:
    """The frame of `left` (T1, S) from which on `right` (T2, S), which begins at its frame `offset`, is to be believed.

    Among the middle half of what they share, the frame around which both are surest of blank.
    """
    shared = len(left) - offset
    first, last = offset + shared // 4, offset + max(shared // 4 + 1, shared - shared // 4)
    blank = left[first:last, BLANK] + right[first - offset : last - offset, BLANK]
    calm = _least_around(blank)
    # Of equally calm frames the one nearest to the middle.
    best = np.flatnonzero(calm >= calm.max() - 1e-3)
    return first + int(best[np.argmin(np.abs(best - (last - first) / 2))])


def stitch(left: LogProbs, right: LogProbs, offset: int) -> LogProbs:
    """The log-probabilities (offset + T2, S) of both windows together."""
    cut = seam(left, right, offset)
    return np.concatenate([left[:cut], right[cut - offset :]])


def word_border(log_probs: LogProbs, first: int, last: int, space: int | None) -> int:
    """The frame in first..last before which a text is best parted: after the surest space, or amid the surest blanks."""
    if space is not None:
        return first + int(np.argmax(log_probs[first:last, space])) + 1
    return first + int(np.argmax(_least_around(log_probs[first:last, BLANK])))


def _least_around(values: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.pad(values, _CALM, mode="edge")
    found: NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(padded, 2 * _CALM + 1).min(axis=-1)
    return found
