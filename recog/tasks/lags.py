"""Long time lags: a first symbol decides a last one, with as many steps between as wanted.

Hochreiter & Schmidhuber 1997, experiments 2c (with and without random distractors) and 3 (noise and signal on one line).
"""

import numpy as np

from recog.errors import ConfigError
from recog.tasks.sequences import Sequences, blank


def distracted(rng: np.random.Generator, count: int, lag: int, distractors: int) -> Sequences:
    """Experiment 2c: b, then x or y, at least `lag` random distractors, e; then x or y again is asked.

    After `lag` distractors e comes with a chance of 1/10 at each step. Inputs (B, T, distractors + 4), one-hot:
    distractors, b, e, x, y. Targets (B, T, 2), one-hot, asked at e alone. With one distractor there is nothing random
    between the two: the lag without its noise.
    """
    _check(lag)
    lengths = 3 + lag + rng.geometric(0.1, count).astype(np.int64) - 1
    batch = blank(lengths, distractors + 4, 2)
    which = rng.integers(2, size=count)
    every = np.arange(count)
    between = rng.integers(distractors, size=batch.asked.shape)
    inside = np.arange(between.shape[1]) < lengths[:, None] - 1
    inside[:, :2] = False
    rows, steps = np.nonzero(inside)
    batch.inputs[rows, steps, between[rows, steps]] = 1
    batch.inputs[every, 0, distractors] = 1
    batch.inputs[every, 1, distractors + 2 + which] = 1
    batch.inputs[every, lengths - 1, distractors + 1] = 1
    batch.targets[every, lengths - 1, which] = 1
    batch.asked[every, lengths - 1] = 1
    return batch


def two_classes(
    rng: np.random.Generator, count: int, lag: int, informative: int, noisy: bool = False, blur: float | None = None
) -> Sequences:
    """Experiment 3: a line of numbers whose first `informative` say its class, 1 or -1; the rest is N(0, 0.2).

    Lengths from `lag` to `lag` + `lag` / 10, uniformly; inputs (B, T, 1); target (B, T, 1) 1 or 0, asked at the end.
    `noisy` is 3b: the informative numbers, too, carry noise of variance 0.2. With `blur` it is 3c: targets 0.8 and
    0.2, and noise of that variance on them.
    """
    _check(lag)
    lengths = rng.integers(lag, lag + lag // 10, size=count, endpoint=True)
    batch = blank(lengths, 1, 1)
    noise = rng.normal(0, np.sqrt(0.2), size=batch.asked.shape).astype(np.float32)
    which = rng.integers(2, size=count)
    signal = np.where(which == 1, 1.0, -1.0)[:, None]
    batch.inputs[:, :, 0] = noise * (np.arange(noise.shape[1]) < lengths[:, None])
    head = batch.inputs[:, :informative, 0]
    head[:] = signal + (head if noisy else 0)
    wanted = which if blur is None else 0.2 + 0.6 * which + rng.normal(0, np.sqrt(blur), size=count)
    batch.targets[np.arange(count), lengths - 1, 0] = wanted
    batch.asked[np.arange(count), lengths - 1] = 1
    return batch


def _check(lag: int) -> None:
    if lag < 2:
        raise ConfigError(f"a lag of {lag} steps leaves nothing to bridge; give 2 or more")
