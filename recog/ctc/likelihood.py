"""How likely a network holds a labelling: the sum over all its alignments (Graves 2006, equations 6-8)."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recog.alphabet import BLANK
from recog.compile import compiled


def log_likelihood(probabilities: NDArray[np.float64], labels: Sequence[int]) -> float:
    """(T, S) probabilities (`hypothesis.probabilities`) and label numbers -> natural log of P(labels); -inf: impossible."""
    states = np.full(2 * len(labels) + 1, BLANK)
    states[1::2] = labels
    return float(forward(probabilities, states)) if len(probabilities) else (-math.inf if labels else 0.0)


@compiled
def forward(probabilities: NDArray[np.float64], states: NDArray[np.int64]) -> float:
    """The forward sum over the states (2U + 1,), labels with blanks around each; scaled anew at every frame."""
    frames, count = probabilities.shape[0], states.shape[0]
    masses = np.zeros(count + 2)  # two states that never hold anything stand before the first
    masses[2] = probabilities[0, states[0]]
    if count > 1:
        masses[3] = probabilities[0, states[1]]
    log_scale = 0.0
    for step in range(1, frames):
        # States from which the end cannot be reached any more are left alone; so are those not reached yet.
        low, high = max(0, count - 2 * (frames - step)), min(count, 2 * step + 2)
        total = 0.0
        for state in range(high - 1, low - 1, -1):
            mass = masses[state + 2] + masses[state + 1]
            # The blank between two labels may be skipped unless they are equal.
            if state & 1 and state > 1 and states[state] != states[state - 2]:
                mass += masses[state]
            mass *= probabilities[step, states[state]]
            masses[state + 2] = mass
            total += mass
        if low:
            masses[low + 1] = 0.0
            masses[low] = 0.0
        if not total > 0:
            return -np.inf
        log_scale += np.log(total)
        masses[low + 2 : high + 2] /= total
    last = masses[count + 1] + (masses[count] if count > 1 else 0.0)
    return log_scale + np.log(last) if last > 0 else -np.inf
