"""Temporal order: the class of a line is the order of two or three rare symbols, far apart among distractors.

Hochreiter & Schmidhuber 1997, experiments 6a (two symbols, 4 classes) and 6b (three, 8 classes).
"""

import numpy as np

from recog.errors import ConfigError
from recog.tasks.sequences import Sequences, blank

# a, b, c, d are distractors, E begins a line, B ends it, X and Y tell its class.
SYMBOLS = "abcdEBXY"
# Steps, from 0, between which the telling symbols stand, both ends included (of lines of 100 to 110).
PLACES = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}


def ordered(rng: np.random.Generator, count: int, telling: int, scale: float = 1.0) -> Sequences:
    """`count` lines (B, T, 8), one-hot; class (B, T, 2 ** telling), one-hot, asked at the last step.

    The class reads the telling symbols as binary digits, X = 0, Y = 1, first symbol first: XX 0, XY 1, YX 2, YY 3.
    `scale` shrinks lengths and places alike, for quick looks. Refuses other than 2 or 3 telling symbols.
    """
    if telling not in PLACES:
        raise ConfigError(f"{telling} telling symbols; the experiments have 2 or 3")
    lengths = rng.integers(round(100 * scale), round(110 * scale), size=count, endpoint=True)
    batch = blank(lengths, len(SYMBOLS), 2**telling)
    every = np.arange(count)
    codes = rng.integers(4, size=batch.asked.shape)
    codes[:, 0] = SYMBOLS.index("E")
    codes[every, lengths - 1] = SYMBOLS.index("B")
    classes = np.zeros(count, dtype=np.int64)
    for low, high in PLACES[telling]:
        bits = rng.integers(2, size=count)
        codes[every, rng.integers(round(low * scale), round(high * scale), size=count, endpoint=True)] = 6 + bits
        classes = 2 * classes + bits
    rows, steps = np.nonzero(np.arange(codes.shape[1]) < lengths[:, None])
    batch.inputs[rows, steps, codes[rows, steps]] = 1
    batch.targets[every, lengths - 1, classes] = 1
    batch.asked[every, lengths - 1] = 1
    return batch
