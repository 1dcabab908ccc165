"""Adding and multiplication: two marked numbers of a long line, their sum or product asked at its end.

Hochreiter & Schmidhuber 1997, experiments 4 and 5: continuous values must be kept, not symbols.
"""

import numpy as np

from recog.errors import ConfigError
from recog.tasks.sequences import Sequences, blank


def marked_pairs(rng: np.random.Generator, count: int, steps: int, product: bool = False) -> Sequences:
    """`count` lines of `steps` to 1.1 `steps` pairs (number, marker), length uniform; (B, T, 2) and one target (B, T, 1).

    Numbers are uniform in [-1, 1] (product: [0, 1]). Marker 1 stands at one of the first ten pairs and at one of the
    other pairs of the first half; -1 at the first and last pair, 0 elsewhere. A first pair that is marked counts as
    the number 0, as in the paper. Asked at the last step: 0.5 + (x1 + x2) / 4, or x1 x2, both in [0, 1].
    """
    if steps < 40:
        raise ConfigError(
            f"lines of {steps} pairs: the second mark must come after ten pairs and within the half; give 40 or more"
        )
    lengths = rng.integers(steps, steps + steps // 10, size=count, endpoint=True)
    batch = blank(lengths, 2, 1)
    every = np.arange(count)
    first = rng.integers(10, size=count)
    second = rng.integers(10, steps // 2, size=count)
    numbers = rng.uniform(0 if product else -1, 1, size=batch.asked.shape).astype(np.float32)
    batch.inputs[:, :, 0] = numbers * (np.arange(numbers.shape[1]) < lengths[:, None])
    batch.inputs[every, 0, 1] = batch.inputs[every, lengths - 1, 1] = -1
    batch.inputs[every, first, 1] = batch.inputs[every, second, 1] = 1
    batch.inputs[first == 0, 0, 0] = 0
    one, two = batch.inputs[every, first, 0], batch.inputs[every, second, 0]
    batch.targets[every, lengths - 1, 0] = one * two if product else 0.5 + (one + two) / 4
    batch.asked[every, lengths - 1] = 1
    return batch
