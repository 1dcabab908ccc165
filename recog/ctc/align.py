"""Forced alignment: the likeliest path through the frames that spells a given labelling (Viterbi over CTC's states)."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recog.alphabet import BLANK
from recog.ctc.hypothesis import Span
from recog.errors import InputError


def required_frames(labels: Sequence[int]) -> int:
    """The fewest frames that can spell the labels: one each, and a blank between two equal neighbours."""
    return len(labels) + sum(one == next_one for one, next_one in itertools.pairwise(labels))


def align(log_probs: NDArray[np.float32], labels: Sequence[int]) -> tuple[Span, ...]:
    """(T, S) natural-log probabilities and label numbers -> the frames of each label, in order, never overlapping.

    A label's confidence is its highest posterior within its frames. Refuses labels that need more frames than T, and
    labels that the probabilities rule out.
    """
    if not labels:
        return ()
    if required_frames(labels) > len(log_probs):
        raise InputError(f"{len(labels)} labels do not fit into {len(log_probs)} frames")
    states = np.full(2 * len(labels) + 1, BLANK)
    states[1::2] = labels
    # A path may skip the blank between two labels unless they are equal.
    skip = np.zeros(len(states), dtype=bool)
    skip[3::2] = states[3::2] != states[1:-2:2]
    emissions = log_probs[:, states].astype(np.float64)
    score = np.full(len(states), -np.inf)
    score[:2] = emissions[0, :2]
    came_from = np.zeros(emissions.shape, dtype=np.int8)
    for step in range(1, len(emissions)):
        one = np.concatenate(([-np.inf], score[:-1]))
        two = np.where(skip, np.concatenate(([-np.inf, -np.inf], score[:-2])), -np.inf)
        choices = np.stack([score, one, two])
        came_from[step] = choices.argmax(axis=0)
        score = choices.max(axis=0) + emissions[step]
    state = len(states) - 1 if score[-1] >= score[-2] else len(states) - 2
    if not np.isfinite(score[state]):
        raise InputError(f"every alignment of these {len(labels)} labels has probability 0")
    path = np.empty(len(emissions), dtype=int)
    for step in range(len(emissions) - 1, -1, -1):
        path[step] = state
        state -= int(came_from[step, state])  # as int8 it could not be taken from a state above 127
    spans = []
    for number, label in enumerate(labels):
        frames = np.flatnonzero(path == 2 * number + 1)
        start, end = int(frames[0]), int(frames[-1]) + 1
        spans.append(Span(start, end, float(np.exp(log_probs[start:end, label].max()))))
    return tuple(spans)
