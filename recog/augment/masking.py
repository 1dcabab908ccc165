"""Stretches of the features hidden from the network, so that it leans on no single one."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from recog.errors import ConfigError


@dataclass(frozen=True)
class Masking:
    """SpecAugment (Park 2019): stretches of features or time set to 0, the mean."""

    # Masks across the features, each 0..feature_width wide.
    feature_masks: int = 0
    feature_width: int = 0
    # Masks along time: one for every `time_every` steps (0: none), each 0..time_width long.
    time_every: int = 0
    time_width: int = 0
    # First epoch that masks, counted from 0: a network that knows nothing yet learns faster unmasked.
    from_epoch: int = 0

    def __post_init__(self) -> None:
        if min(self.feature_masks, self.feature_width, self.time_every, self.time_width, self.from_epoch) < 0:
            raise ConfigError("augment.masking: no number may be below 0")


def mask(x: Tensor, masking: Masking, epoch: int, random: np.random.Generator) -> Tensor:
    """(T, F) with random stretches zeroed, in place; short samples get fewer time masks."""
    if epoch < masking.from_epoch:
        return x
    steps, features = x.shape
    for _ in range(masking.feature_masks):
        width = int(random.integers(0, masking.feature_width + 1))
        start = int(random.integers(0, max(1, features - width)))
        x[:, start : start + width] = 0
    for _ in range(round(steps / masking.time_every) if masking.time_every else 0):
        width = int(random.integers(0, masking.time_width + 1))
        start = int(random.integers(0, max(1, steps - width)))
        x[start : start + width] = 0
    return x
