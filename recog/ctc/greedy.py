"""Best-path decoding (Graves 2006, section 3.2): the likeliest symbol of every frame, repeats merged, blanks dropped."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recog.alphabet import BLANK
from recog.ctc.hypothesis import Hypothesis, Span, Word, check_log_probs
from recog.ctc.reading import words_at


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


def with_words(hypothesis: Hypothesis, symbols: Sequence[str]) -> Hypothesis:
    """The hypothesis with the words between its spaces, each as sure as its least sure character.

    `symbols` without the blank: label k + 1 is symbols[k].
    """
    space = list(symbols).index(" ") + 1 if " " in symbols else -1
    words = tuple(
        Word(
            "".join(symbols[label - 1] for label in hypothesis.labels[first:last]),
            first,
            last,
            min(span.confidence for span in hypothesis.spans[first:last]),
        )
        for first, last in words_at(hypothesis.labels, space)
    )
    return replace(hypothesis, words=words)
