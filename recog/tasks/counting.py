"""a^n b^n and a^n b^n c^n: languages that need one counter and two.

Gers & Schmidhuber 2001: the network reads a word symbol by symbol and says which symbols may follow.
"""

from collections.abc import Sequence

import numpy as np

from recog.errors import ConfigError
from recog.tasks.sequences import Sequences, stack


def words(counts: Sequence[int], letters: int) -> Sequences:
    """The words with these n: S a^n b^n (c^n) as inputs (B, T, letters + 1), one-hot a, b, (c), S.

    Targets (B, T, letters + 1): the set of symbols that may follow, a, b, (c), T for the end: after S an a, within
    the a's a or b, then the rest of the word, which n has decided. Refuses n < 1 and other than 2 or 3 letters.
    """
    if letters not in (2, 3) or min(counts) < 1:
        raise ConfigError(f"{letters} letters and n from {min(counts)}; give 2 or 3 letters and n of 1 or more")
    start = end = letters
    rows = []
    for n in counts:
        word = [start, *(letter for letter in range(letters) for _ in range(n))]
        follows = [*word[1:], end]
        targets = np.eye(letters + 1, dtype=np.float32)[follows]
        targets[1 : n + 1, :2] = 1  # an a may be the last one or not
        rows.append((np.eye(letters + 1, dtype=np.float32)[word], targets, np.ones(len(word), dtype=np.float32)))
    return stack(rows)
