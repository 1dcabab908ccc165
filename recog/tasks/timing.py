"""Precise timing: intervals between spikes are measured, or made.

Gers, Schraudolph & Schmidhuber 2002: measuring spike delays and generating timed spikes.
"""

import numpy as np

from recog.errors import ConfigError
from recog.tasks.sequences import Sequences


def measured(rng: np.random.Generator, count: int, interval: int, spikes: int) -> Sequences:
    """Lines of spikes that are `interval` or `interval` + 1 steps apart, each as likely; which one is asked at its end.

    Inputs (B, T, 1) are 1 at a spike, else 0; a line begins with one and ends with its last of `spikes` more. Targets
    (B, T, 1): 1 for the longer interval, asked at each spike but the first.
    """
    _check(interval)
    longer = rng.integers(2, size=(count, spikes))
    ends = np.cumsum(interval + longer, axis=1)
    lengths = (ends[:, -1] + 1).astype(np.int64)
    shape = (count, int(lengths.max()))
    inputs, targets, asked = (
        np.zeros((*shape, 1), np.float32),
        np.zeros((*shape, 1), np.float32),
        np.zeros(shape, np.float32),
    )
    every = np.arange(count)[:, None]
    inputs[:, 0, 0] = 1
    inputs[every, ends, 0] = 1
    targets[every, ends, 0] = longer
    asked[every, ends] = 1
    return Sequences(inputs, targets, asked, lengths)


def generated(interval: int, spikes: int) -> Sequences:
    """One line to be made out of nothing: a spike after every `interval` steps, (1, interval * spikes, 1).

    The input is 1 at the first step, as a start signal, and 0 ever after; every step is asked.
    """
    _check(interval)
    steps = interval * spikes
    inputs, targets = np.zeros((1, steps, 1), np.float32), np.zeros((1, steps, 1), np.float32)
    inputs[0, 0, 0] = 1
    targets[0, interval - 1 :: interval, 0] = 1
    return Sequences(inputs, targets, np.ones((1, steps), np.float32), np.array([steps], dtype=np.int64))


def _check(interval: int) -> None:
    if interval < 2:
        raise ConfigError(f"intervals of {interval} steps are no time to measure; give 2 or more")
