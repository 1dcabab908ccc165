"""CTC prefix beam search (Graves 2012, section 7.5.3; Hannun 2014) without a language model."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from recog.alphabet import BLANK
from recog.ctc.align import align
from recog.ctc.hypothesis import Hypothesis, check_log_probs

# Symbols less likely than this in a frame are not tried as extensions: at most 1e-4 of a frame's mass each.
CUT = float(np.log(1e-4))


def beam_search(log_probs: NDArray[np.float32], beam: int, cut: float = CUT) -> Hypothesis:
    """(T, S) natural-log probabilities -> the labelling of highest probability, summed over its alignments.

    Exact when the beam holds every prefix and `cut` is -inf. The score is the natural log of the labelling's
    probability as far as the beam kept its alignments; the spans come from its best alignment.
    """
    check_log_probs(log_probs)
    # prefix -> [log-probability of its alignments that end in blank, of those that end in its last label]
    beams: dict[tuple[int, ...], list[float]] = {(): [0.0, -np.inf]}
    for frame in log_probs.astype(np.float64):
        candidates = [int(label) for label in np.flatnonzero(frame > cut) if label != BLANK]
        grown: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [-np.inf, -np.inf])
        for prefix, (blank, label) in beams.items():
            either = np.logaddexp(blank, label)
            stay = grown[prefix]
            stay[0] = np.logaddexp(stay[0], either + frame[BLANK])
            if prefix:
                stay[1] = np.logaddexp(stay[1], label + frame[prefix[-1]])
            for candidate in candidates:
                longer = grown[(*prefix, candidate)]
                # A repeated label is a new one only after a blank.
                before = blank if prefix and candidate == prefix[-1] else either
                longer[1] = np.logaddexp(longer[1], before + frame[candidate])
        best = sorted(grown.items(), key=lambda item: -np.logaddexp(*item[1]))[:beam]
        beams = dict(best)
    labels, scores = max(beams.items(), key=lambda item: np.logaddexp(*item[1]))
    return Hypothesis(labels, align(log_probs, labels), float(np.logaddexp(*scores)))
