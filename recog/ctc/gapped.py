"""Forced alignment with gaps: sound that the labels do not spell, and stretches of labels that no sound spells.

The states of CTC (label, blank between) are joined by fillers, which stand for any sound at a price, and by jumps from
filler to filler, which leave out the labels between. Fillers are the "garbage" models of keyword spotting (Rose & Paul
1990); leaving out text as well makes the method fit for books and their readers (after Moreno et al. 1998).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.alphabet import BLANK
from recog.compile import compiled
from recog.ctc.hypothesis import Span
from recog.errors import InputError

# What a frame of unspelled sound costs against its best symbol, in nats; silence (blank) in it costs what blank costs.
FILLER_COST = 2.0
# What it costs to leave out a stretch of labels, in nats: without a price a filler would be as good as an empty path.
OMISSION_COST = 3.0
# The symbol of a filler's state.
_FILLER = -1


@dataclass(frozen=True)
class Gaps:
    """Where an alignment may have gaps, in places 0..U of U labels: place k stands before label k, U after the last."""

    # Ascending places where there may be sound that no label spells.
    sounds: tuple[int, ...] = ()
    # Ascending places, all of them in `sounds`; the labels between two neighbours may be left out, all or none.
    borders: tuple[int, ...] = ()
    filler_cost: float = FILLER_COST
    omission_cost: float = OMISSION_COST

    def __post_init__(self) -> None:
        for places in (self.sounds, self.borders):
            if any(one >= two for one, two in itertools.pairwise(places)) or (places and places[0] < 0):
                raise InputError(f"places of gaps must ascend from 0 on, got {places[:8]}")
        if not set(self.borders) <= set(self.sounds):
            raise InputError(
                "every border of labels that may be left out must be a place where sound may be passed over"
            )


@dataclass(frozen=True)
class Aligned:
    """The likeliest alignment: the frames of each label, of each gap, and how far each frame lies below its best."""

    # One for each label; None where the label was left out.
    spans: tuple[Span | None, ...]
    # Place -> the frames start..end (end not included) of sound that no label spells; places without any are not here.
    fillers: dict[int, tuple[int, int]]
    # (T,) nats, at least 0: log-probability of the best symbol less that of the symbol on the path, a filler's cost in it.
    losses: NDArray[np.float64]


def align_with_gaps(log_probs: NDArray[np.float32], labels: Sequence[int], gaps: Gaps) -> Aligned | None:
    """(T, S) natural-log probabilities and label numbers -> their likeliest alignment with gaps; None where there is none.

    Without gaps it gives what `recog.ctc.align.align` gives. Takes T * (2U + 1 + gaps) bytes.
    """
    if len(log_probs) == 0:
        return Aligned((None,) * len(labels), {}, np.zeros(0)) if _may_vanish(len(labels), gaps) else None
    trellis = _Trellis.of(labels, gaps)
    log_probs = np.ascontiguousarray(log_probs, np.float32)
    best = log_probs.max(axis=1)
    filler = np.maximum(best - np.float32(gaps.filler_cost), log_probs[:, BLANK])
    path = np.zeros(len(log_probs), np.int64)
    if not _best_path(
        log_probs, filler, trellis.states, trellis.sources, trellis.jumps, gaps.omission_cost, trellis.ends, path
    ):
        return None
    symbols = trellis.states[path]
    on_path = np.where(symbols == _FILLER, filler, log_probs[np.arange(len(path)), symbols])
    starts = np.searchsorted(path, trellis.of_labels).tolist()
    ends = np.searchsorted(path, trellis.of_labels, side="right").tolist()
    spans = tuple(
        Span(start, end, float(np.exp(on_path[start:end].max()))) if start < end else None
        for start, end in zip(starts, ends, strict=True)
    )
    first = np.searchsorted(path, trellis.of_fillers).tolist()
    last = np.searchsorted(path, trellis.of_fillers, side="right").tolist()
    fillers = {place: (start, end) for place, start, end in zip(gaps.sounds, first, last, strict=True) if start < end}
    return Aligned(spans, fillers, (best - on_path).astype(np.float64))


def _may_vanish(count: int, gaps: Gaps) -> bool:
    """Whether all labels may be left out."""
    return count == 0 or (len(gaps.borders) > 1 and gaps.borders[0] == 0 and gaps.borders[-1] == count)


@dataclass(frozen=True)
class _Trellis:
    """The states in order: for each place its blank, its filler if it has one, then the label behind the place."""

    # (N,) the symbol of each state, _FILLER for a filler.
    states: NDArray[np.int64]
    # (N,) bits: 1, 2, 4 allow a step from the state 1, 2, 3 before.
    sources: NDArray[np.int64]
    # (N,) for a filler at a border the state of the filler at the border before, else -1.
    jumps: NDArray[np.int64]
    # States in which a path may end, counted from the last.
    ends: int
    of_labels: NDArray[np.int64]
    of_fillers: NDArray[np.int64]

    @classmethod
    def of(cls, labels: Sequence[int], gaps: Gaps) -> "_Trellis":
        states, sources, jumps, of_labels, of_fillers = [], [], [], [], []
        sounds, borders, before = set(gaps.sounds), set(gaps.borders), -1
        for place in range(len(labels) + 1):
            filled = place in sounds
            states.append(BLANK)
            sources.append(1)
            jumps.append(-1)
            if filled:
                of_fillers.append(len(states))
                states.append(_FILLER)
                sources.append(1 | 2)
                jumps.append(before if place in borders else -1)
                before = of_fillers[-1] if place in borders else before
            if place < len(labels):
                of_labels.append(len(states))
                states.append(labels[place])
                # A path may go from label to label unless they are equal: then a blank, or a filler, must part them.
                new = place > 0 and labels[place] != labels[place - 1]
                sources.append((1 | 2 | 4 * new) if filled else (1 | 2 * new))
                jumps.append(-1)
        arrays = (np.array(values, np.int64) for values in (states, sources, jumps, of_labels, of_fillers))
        in_order, from_where, over, at_labels, at_fillers = arrays
        ends = 1 + (len(labels) in sounds) + (len(labels) > 0)
        return cls(in_order, from_where, over, ends, at_labels, at_fillers)


@compiled
def _best_path(
    log_probs: NDArray[np.float32],
    filler: NDArray[np.float32],
    states: NDArray[np.int64],
    sources: NDArray[np.int64],
    jumps: NDArray[np.int64],
    omission_cost: float,
    ends: int,
    path: NDArray[np.int64],
) -> bool:
    """Fills `path` (T,) with the state of every frame; False where no path of probability above 0 exists.

    Of equal paths it takes the one that moves later, as best_path of recog.ctc.align does.
    """
    frames, count = log_probs.shape[0], states.shape[0]
    # 0 to 3: so many states before, in the frame before; 4: a jump within the frame.
    came_from = np.zeros((frames, count), np.int8)
    scores = np.full(count + 3, -np.inf)  # three states that never hold anything stand before the first
    previous = np.full(count + 3, -np.inf)
    previous[2] = 0.0  # where every path starts: one before the first blank
    for step in range(frames):
        for state in range(count):
            best, source = previous[state + 3], 0
            allowed = sources[state]
            if step == 0:
                # The first blank, its filler and the first label may begin.
                allowed = 1 << state if state < 3 and (state < 2 or states[1] == -1) else 0
            for back in range(1, 4):
                if allowed >> (back - 1) & 1 and previous[state + 3 - back] > best:
                    best, source = previous[state + 3 - back], back
            best += filler[step] if states[state] == -1 else log_probs[step, states[state]]
            if jumps[state] >= 0 and scores[jumps[state] + 3] - omission_cost > best:
                best, source = scores[jumps[state] + 3] - omission_cost, 4
            scores[state + 3] = best
            came_from[step, state] = source
        scores, previous = previous, scores
        previous[2] = scores[2] = -np.inf
    state = count - 1
    for back in range(2, ends + 1):
        if previous[count - back + 3] > previous[state + 3]:
            state = count - back
    if not previous[state + 3] > -np.inf:
        return False
    for step in range(frames - 1, -1, -1):
        while came_from[step, state] == 4:
            state = jumps[state]
        path[step] = state
        state -= int(came_from[step, state])  # without numba an int8 would stay one and overflow
    return True
