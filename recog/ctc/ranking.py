"""The best of many: what the beam search chooses by."""

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled


@compiled
def thin_out(
    masses: NDArray[np.float64],
    factors: NDArray[np.float64],
    candidates: NDArray[np.int32],
    scratch: NDArray[np.float64],
    full: int,
    beam: int,
) -> tuple[int, float]:
    """Keeps the best `beam` of the first `full` extensions, more than that; how many that are, and the last one's mass.

    Takes the arrays it needs, not the search: handing on twenty costs as much as the work.
    """
    for place in range(full):
        scratch[place] = masses[place]
    bound = largest(scratch, full, beam)
    ties = beam
    for place in range(full):
        ties -= int(masses[place] > bound)
    count = 0
    for place in range(full):
        mass = masses[place]
        if mass > bound or (mass == bound and ties > 0):
            ties -= int(mass == bound)
            masses[count] = mass
            factors[count] = factors[place]
            for column in range(candidates.shape[1]):
                candidates[count, column] = candidates[place, column]
            count += 1
    return count, bound


@compiled
def largest(values: NDArray[np.float64], count: int, rank: int) -> float:
    """The rank-th largest (from 1) of the first `count` values, which are reordered (Hoare 1961, FIND)."""
    low, high, place = 0, count - 1, rank - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    return float(values[place])
