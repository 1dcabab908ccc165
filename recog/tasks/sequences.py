"""What a task gives: a padded batch of inputs with what is asked of them, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Sequences:
    """B sequences of T steps; steps past a length are zero everywhere and nothing is asked of them."""

    # (B, T, F) float32.
    inputs: Floats
    # (B, T, O) float32; what it means (class, values, set of symbols) is the task's.
    targets: Floats
    # (B, T) float32: 1 where an answer is asked for, else 0.
    asked: Floats
    # (B,) int64, true numbers of steps.
    lengths: NDArray[np.int64]

    def take(self, chosen: NDArray[np.int64]) -> "Sequences":
        """The chosen rows, as often as they are named, cut to the longest of them."""
        steps = int(self.lengths[chosen].max())
        return Sequences(
            self.inputs[chosen, :steps], self.targets[chosen, :steps], self.asked[chosen, :steps], self.lengths[chosen]
        )


def stack(rows: Sequence[tuple[Floats, Floats, Floats]]) -> Sequences:
    """Rows (T_b, F), (T_b, O), (T_b,) of mixed lengths as one padded batch."""
    lengths = np.array([len(inputs) for inputs, _, _ in rows], dtype=np.int64)
    steps = int(lengths.max())
    inputs, targets, asked = (np.zeros((len(rows), steps, *part.shape[1:]), dtype=np.float32) for part in rows[0])
    for number, (row_inputs, row_targets, row_asked) in enumerate(rows):
        inputs[number, : len(row_inputs)] = row_inputs
        targets[number, : len(row_inputs)] = row_targets
        asked[number, : len(row_inputs)] = row_asked
    return Sequences(inputs, targets, asked, lengths)


def blank(lengths: NDArray[np.int64], features: int, outputs: int) -> Sequences:
    """A batch of zeros of these lengths, in which nothing is asked yet: for a task to fill."""
    count, steps = len(lengths), int(lengths.max())
    return Sequences(
        np.zeros((count, steps, features), dtype=np.float32),
        np.zeros((count, steps, outputs), dtype=np.float32),
        np.zeros((count, steps), dtype=np.float32),
        lengths,
    )
