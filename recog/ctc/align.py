"""Forced alignment: the likeliest path through the frames that spells a given labelling (Viterbi over CTC's states)."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recog.alphabet import BLANK
from recog.compile import compiled
from recog.ctc.hypothesis import Span
from recog.errors import InputError


def required_frames(labels: Sequence[int]) -> int:
    """The fewest frames that can spell the labels: one each, and a blank between two equal neighbours."""
    return len(labels) + sum(one == next_one for one, next_one in itertools.pairwise(labels))


def align(log_probs: NDArray[np.float32], labels: Sequence[int]) -> tuple[Span, ...]:
    """(T, S) natural-log probabilities and label numbers -> the frames of each label, in order, never overlapping.

    A label's confidence is its highest posterior within its frames. Takes T * (2U + 1) bytes for U labels.
    Refuses labels that need more frames than T, and labels that the probabilities rule out.
    """
    if not labels:
        return ()
    numbers = np.array(labels, np.int64)
    if len(numbers) + np.count_nonzero(numbers[1:] == numbers[:-1]) > len(log_probs):
        raise InputError(f"{len(labels)} labels do not fit into {len(log_probs)} frames")
    states = np.full(2 * len(labels) + 1, BLANK)
    states[1::2] = numbers
    path = np.zeros(len(log_probs), np.int64)
    log_probs = np.ascontiguousarray(log_probs, np.float32)
    if not best_path(log_probs, states, path):
        raise InputError(f"every alignment of these {len(labels)} labels has probability 0")
    edges, highest = np.zeros((2, len(labels)), np.int64), np.zeros(len(labels), np.float32)
    extents(log_probs, states, path, edges, highest)
    return tuple(map(Span, edges[0].tolist(), edges[1].tolist(), np.exp(highest).tolist()))


@compiled
def extents(
    log_probs: NDArray[np.float32],
    states: NDArray[np.int64],
    path: NDArray[np.int64],
    edges: NDArray[np.int64],
    highest: NDArray[np.float32],
) -> None:
    """Fills each label's first frame and the one after its last (2, U), and its highest log-probability there (U,)."""
    last = BLANK
    for step in range(path.shape[0]):
        state = path[step]
        if state & 1:
            label, found = state >> 1, log_probs[step, states[state]]
            if state != last:
                edges[0, label], highest[label] = step, found
            edges[1, label] = step + 1
            highest[label] = max(highest[label], found)
        last = state


@compiled
def best_path(log_probs: NDArray[np.float32], states: NDArray[np.int64], path: NDArray[np.int64]) -> bool:
    """Fills `path` (T,) with the state of every frame; states (2U + 1,) are the labels with blanks around each.

    False where no path of probability above 0 exists. Of equal paths it takes the one that moves later.
    """
    frames, count = log_probs.shape[0], states.shape[0]
    came_from = np.zeros((frames, count), np.int8)
    scores = np.full(count + 2, -np.inf)  # two states that never hold anything stand before the first
    previous = np.full(count + 2, -np.inf)
    scores[2], scores[3] = log_probs[0, states[0]], log_probs[0, states[1]]
    for step in range(1, frames):
        scores, previous = previous, scores
        # States that are too far from the beginning or the end to lie on a whole path.
        low, high = max(0, count - 2 * (frames - step)), min(count, 2 * step + 2)
        if low:
            scores[low + 1] = scores[low] = -np.inf
        for state in range(low, high):
            best, source = previous[state + 2], 0
            if previous[state + 1] > best:
                best, source = previous[state + 1], 1
            # The blank between two labels may be skipped unless they are equal.
            if state & 1 and state > 1 and states[state] != states[state - 2] and previous[state] > best:
                best, source = previous[state], 2
            scores[state + 2] = best + log_probs[step, states[state]]
            came_from[step, state] = source
    state = count - 1 if scores[count + 1] >= scores[count] else count - 2
    if not scores[state + 2] > -np.inf:
        return False
    for step in range(frames - 1, -1, -1):
        path[step] = state
        state -= int(came_from[step, state])  # without numba an int8 would stay one and overflow
    return True
