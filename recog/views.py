"""Several ways to look at one sample: as it is, a little later, or a line of writing sheared, upright for instance
(recog.ctc.consensus reads them together).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Look:
    """One way to look at a sample."""

    # Steps that a row of features is moved by, for each row it is away from the middle.
    slope: float = 0.0
    # Steps that all of it is moved later by.
    shift: int = 0


def seen(x: Tensor, look: Look) -> Tensor:
    """(T, F) features -> (shift + T, F), as they are looked at."""
    return moved(sheared(x, look.slope), look.shift)


def moved(x: Tensor, steps: int) -> Tensor:
    """(T, F) -> (steps + T, F): the first step is repeated so often, and all comes later."""
    return torch.cat([x[:1].expand(steps, -1), x]) if steps else x


def sheared(x: Tensor, slope: float) -> Tensor:
    """(T, F) of a line picture -> the same shape: row f moved by `slope` times its distance from the middle, in steps.

    Between two steps the value is interpolated; past the ends the line's last column goes on.
    """
    steps, rows = x.shape
    if slope == 0 or steps < 2:
        return x
    shift = slope * (torch.arange(rows) - (rows - 1) / 2)
    place = (torch.arange(steps)[:, None] + shift).clamp(0, steps - 1)
    left = place.floor().long().clamp(max=steps - 2)
    share = place - left
    return x.gather(0, left) * (1 - share) + x.gather(0, left + 1) * share


def sureness(log_probs: NDArray[np.float32]) -> float:
    """(T', S) -> the mean of each frame's greatest log-probability: 0 where the network has no doubt at all."""
    return float(log_probs.max(axis=1).mean())


def surest(looks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Of several looks at a sample, log-probabilities (T', S) each, the one least in doubt; of equals the first."""
    return max(looks, key=sureness)
