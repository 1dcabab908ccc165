"""A line as it was followed on the segmenter's maps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Traced:
    """A line in pixels of the picture that was looked at, from left to right."""

    # (n,) where the letters stand; x ascends.
    x: Values
    y: Values
    # (n,) how far the writing reaches up and down from there.
    above: Values
    below: Values
    # 0 to 1: how likely it is a line.
    likelihood: float

    @property
    def height(self) -> float:
        """How high the writing is, in pixels."""
        return float(np.median(self.above) + np.median(self.below))

    @property
    def length(self) -> float:
        """From end to end, in pixels."""
        return float(self.x[-1] - self.x[0])
