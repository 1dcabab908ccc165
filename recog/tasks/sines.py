"""Superimposed sines: a smooth line that is never the same again, to be foretold from itself.

Schmidhuber, Wierstra & Gomez 2005 (Evolino); two sines after Jaeger 2004, who tried echo state networks on them.
"""

import numpy as np
from numpy.typing import NDArray

from recog.errors import ConfigError

# Radians a step.
FREQUENCIES = (0.2, 0.311, 0.42, 0.51, 0.74)


def superimposed(count: int, steps: int) -> NDArray[np.float64]:
    """(steps,): the sum of the first `count` sines at 1, 2, ... steps; refuses other than 1 to 5."""
    if not 1 <= count <= len(FREQUENCIES):
        raise ConfigError(f"{count} sines; there are 1 to {len(FREQUENCIES)}")
    times = np.arange(1, steps + 1, dtype=np.float64)
    return np.asarray(np.sin(np.outer(times, FREQUENCIES[:count])).sum(axis=1))
