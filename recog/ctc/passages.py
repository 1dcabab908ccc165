"""Forced alignment of long texts: anchors first, then an exact alignment with gaps between each two of them.

Why so: a trellis of an hour of sound (90 000 frames) and its text (55 000 labels) has 10^10 states. Between anchors 10 s
apart it has 10^5, and only a stretch where nothing is recognised costs the square of its length; it is given up above a
limit, so memory is bounded whatever comes. Cuts lie only where the free recognition and the text agree on a run of
symbols and on many around it; there the exact path runs through the same frame, so the result is that of the whole
trellis (tested). Anchors that leave no room for the labels between them are dropped and the windows joined.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recog.ctc.anchors import find_anchors
from recog.ctc.gapped import Aligned, Gaps, align_with_gaps
from recog.ctc.greedy import greedy
from recog.ctc.hypothesis import Span

# Frames between two cuts, at least: the fewer cuts, the fewer can be wrong.
WINDOW_FRAMES = 250
# States of a trellis, in all frames, a byte each.
MOST_STATES = 200_000_000


@dataclass(frozen=True)
class Cut:
    """Label `place` begins at `frame`: what lies before belongs to one window, what follows to the next."""

    place: int
    frame: int


def trellis_states(frames: int, labels: int, gaps: int) -> int:
    """States of a trellis in all its frames: the bytes that an exact alignment takes."""
    return frames * (2 * labels + 1 + gaps)


def align_passages(
    log_probs: NDArray[np.float32], labels: Sequence[int], gaps: Gaps, space: int = 0, most_states: int = MOST_STATES
) -> Aligned:
    """(T, S) natural-log probabilities of a long sound and the labels of its text -> their alignment with gaps.

    `space` is the space's label, 0 for none: it takes no part in the search for anchors. Labels of windows that are too
    large for `most_states`, or that hold too few frames for what must stand in them, are left out.
    """
    cuts = [Cut(0, 0), *find_cuts(log_probs, labels, space), Cut(len(labels), len(log_probs))]
    spans: list[Span | None] = [None] * len(labels)
    losses = np.zeros(len(log_probs))
    fillers: dict[int, tuple[int, int]] = {}
    done: list[tuple[Cut, Aligned]] = []  # windows by their first cut
    first, last = cuts[0], 1
    while last < len(cuts):
        window = _window(log_probs, labels, gaps, first, cuts[last], most_states)
        if window is None and last + 1 < len(cuts):
            last += 1  # without the cut between
        elif window is None and done:
            first, _ = done.pop()
        else:
            done.append((first, window or _left_out(cuts[last].place - first.place, cuts[last].frame - first.frame)))
            first, last = cuts[last], last + 1
    for start, found in done:
        for place, span in enumerate(found.spans, start.place):
            spans[place] = span and replace(span, start=span.start + start.frame, end=span.end + start.frame)
        losses[start.frame : start.frame + len(found.losses)] = found.losses
        for place, (begin, end) in found.fillers.items():
            begin, end = begin + start.frame, end + start.frame
            known = fillers.get(place + start.place, (begin, end))
            fillers[place + start.place] = (min(known[0], begin), max(known[1], end))
    return Aligned(tuple(spans), fillers, losses)


def find_cuts(log_probs: NDArray[np.float32], labels: Sequence[int], space: int = 0) -> list[Cut]:
    """Where a long alignment may be cut, in order, WINDOW_FRAMES apart or more: at the best supported anchors."""
    heard = greedy(log_probs)
    in_text = [place for place, label in enumerate(labels) if label != space]
    in_sound = [place for place, label in enumerate(heard.labels) if label != space]
    anchors = find_anchors([labels[place] for place in in_text], [heard.labels[place] for place in in_sound])
    # Two equal labels need a blank between them, which neither of their windows would know of.
    usable = [
        (Cut(in_text[anchor.written], heard.spans[in_sound[anchor.heard]].start), anchor.support)
        for anchor in anchors
        if in_text[anchor.written] > 0 and labels[in_text[anchor.written]] != labels[in_text[anchor.written] - 1]
    ]
    cuts: list[Cut] = []
    frame = 0
    while usable := [(cut, support) for cut, support in usable if cut.frame >= frame + WINDOW_FRAMES]:
        near = [one for one in usable if one[0].frame < usable[0][0].frame + WINDOW_FRAMES]
        cuts.append(max(near, key=lambda one: one[1])[0])
        frame = cuts[-1].frame
    return cuts


def _window(
    log_probs: NDArray[np.float32], labels: Sequence[int], gaps: Gaps, first: Cut, last: Cut, most_states: int
) -> Aligned | None:
    """The alignment between two cuts; all left out where the window is too large; None where the labels do not fit."""
    own = labels[first.place : last.place]
    sounds, borders = (
        tuple(place - first.place for place in places if first.place <= place <= last.place)
        for places in (gaps.sounds, gaps.borders)
    )
    frames = last.frame - first.frame
    if trellis_states(frames, len(own), len(sounds)) > most_states:
        return _left_out(len(own), frames)
    return align_with_gaps(log_probs[first.frame : last.frame], own, replace(gaps, sounds=sounds, borders=borders))


def _left_out(labels: int, frames: int) -> Aligned:
    return Aligned((None,) * labels, {}, np.zeros(frames))
