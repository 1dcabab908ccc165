"""Best-path decoding (Graves 2006, section 3.2): the likeliest symbol of every frame, repeats merged, blanks dropped."""

import numpy as np
from numpy.typing import NDArray

from recog.alphabet import BLANK
from recog.ctc.hypothesis import Hypothesis, Span, check_log_probs


def greedy(log_probs: NDArray[np.float32]) -> Hypothesis:
    """(T, S) natural-log probabilities -> the best path's labelling.

    Its score is the path's log-probability; a label's confidence is its highest posterior on the path.
    """
    check_log_probs(log_probs)
    path = log_probs.argmax(axis=1)
    best = log_probs.max(axis=1)
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    ends = np.flatnonzero(np.diff(path, append=-1)) + 1
    labels, spans = [], []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if path[start] != BLANK:
            labels.append(int(path[start]))
            spans.append(Span(start, end, float(np.exp(best[start:end].max()))))
    return Hypothesis(tuple(labels), tuple(spans), float(best.sum()))
