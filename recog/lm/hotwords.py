"""Hot phrases: a bonus for each occurrence of a phrase, as an automaton that a decoder walks label by label.

A phrase counts only as whole words. While a phrase is being spelled, part of its bonus is paid in advance so that it
survives a narrow beam, and is taken back if the phrase breaks off; so over a whole text exactly the bonuses remain.
The automaton is that of Aho and Corasick (1975), restarted at the beginnings of words only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.errors import ConfigError

# State at the beginning of a word with no phrase begun; state inside a word that begins no phrase.
FREE, LOST = 0, 1


@dataclass(frozen=True)
class Hotword:
    """A word or phrase to be preferred."""

    phrase: str
    # Added to a hypothesis' score for each occurrence, in nats; 0 changes nothing, 5 to 15 is usual.
    weight: float = 8.0

    def __post_init__(self) -> None:
        if not self.phrase.split() or not (0 <= self.weight < math.inf):
            raise ConfigError(
                f"hotword {self.phrase!r} with weight {self.weight}: it needs at least one word and a weight of 0 or more"
            )


class HotTables(NamedTuple):
    """The automaton of n states for S labels; factors are exp of what a step adds to the score."""

    # (n, S) the state after a label, and its factor.
    following: NDArray[np.int32]
    factors: NDArray[np.float64]
    # (n,) the factor of ending the text here.
    ends: NDArray[np.float64]
    # Where words end without a space (phones): what a word does in state i stands at starts[i] to starts[i + 1] - 1,
    # (m,) words, states and factors; all other words lead to FREE and cost what was paid in advance.
    starts: NDArray[np.int32]
    words: NDArray[np.int32]
    word_following: NDArray[np.int32]
    word_factors: NDArray[np.float64]
    # (n,) the factor that takes back what was paid in advance.
    refunds: NDArray[np.float64]


@dataclass(frozen=True)
class Pattern:
    """A phrase as tokens: labels (1 or more), and -1 - w where the word of number w ends (only where no space does)."""

    tokens: tuple[int, ...]
    weight: float


def tables(patterns: Sequence[Pattern], symbols: int, space: int) -> HotTables:
    """The automaton of some patterns over labels 1 to symbols - 1.

    With a space (a label), a pattern ends in it and words begin after it. With space = -1 and word tokens, words
    begin after those. With space = -1 and no word tokens (scripts without spaces), phrases may begin anywhere.
    """
    return _Automaton(patterns, symbols, space).tables()


class _Automaton:
    def __init__(self, patterns: Sequence[Pattern], symbols: int, space: int) -> None:
        self.symbols, self.space = symbols, space
        self.anywhere = space < 0 and all(token > 0 for pattern in patterns for token in pattern.tokens)
        self.bonus: dict[tuple[int, ...], float] = {}
        for pattern in patterns:
            self.bonus[pattern.tokens] = self.bonus.get(pattern.tokens, 0.0) + pattern.weight
        # What has been spelled of a phrase -> the most of a bonus that is paid in advance for it.
        self.paid: dict[tuple[int, ...], float] = {(): 0.0}
        for tokens, bonus in self.bonus.items():
            for end in range(1, len(tokens) + 1):
                share = bonus * end / len(tokens) if end < len(tokens) else 0.0
                self.paid[tokens[:end]] = max(self.paid.get(tokens[:end], 0.0), share)
        self.states: dict[tuple[int, ...] | None, int] = {(): FREE, None: LOST}
        for spelled in self.paid:
            self.states.setdefault(spelled, len(self.states))

    def begins_word(self, token: int) -> bool:
        """Whether a word begins after this token."""
        return self.anywhere or token == self.space or token < 0

    def step(self, spelled: tuple[int, ...] | None, token: int) -> tuple[tuple[int, ...] | None, float]:
        """What of a phrase is spelled after one more token, and the log of the step's factor."""
        before = self.paid[spelled] if spelled is not None else 0.0
        longer = (*spelled, token) if spelled is not None else (token,)
        begins = [0] if spelled is not None else []
        begins += [place + 1 for place, one in enumerate(longer) if self.begins_word(one)]
        suffixes = [longer[place:] for place in begins]
        earned = sum(self.bonus.get(suffix, 0.0) for suffix in suffixes)
        after = next((suffix for suffix in suffixes if suffix in self.paid), None)
        return after, earned + (self.paid[after] if after is not None else 0.0) - before

    def tables(self) -> HotTables:
        """All steps as arrays."""
        count = len(self.states)
        used = sorted({token for tokens in self.bonus for token in tokens if token > 0} | {self.space} - {-1})
        words = sorted({-1 - token for tokens in self.bonus for token in tokens if token < 0})
        following = np.full((count, self.symbols), FREE if self.anywhere else LOST, np.int32)
        factors, refunds, ends = np.ones((count, self.symbols)), np.ones(count), np.ones(count)
        sparse: list[tuple[int, int, int, float]] = []
        for spelled, state in self.states.items():
            paid = self.paid[spelled] if spelled is not None else 0.0
            refunds[state] = math.exp(-paid)
            factors[state] = ends[state] = refunds[state]
            for token in used:
                after, log_factor = self.step(spelled, token)
                following[state, token], factors[state, token] = self.states[after], math.exp(log_factor)
            if self.space > 0:
                after, log_factor = self.step(spelled, self.space)
                ends[state] = math.exp(log_factor - (self.paid[after] if after is not None else 0.0))
            for word in words:
                after, log_factor = self.step(spelled, -1 - word)
                if after != () or log_factor != -paid:
                    sparse.append((state, word, self.states[after], math.exp(log_factor)))
        sparse.sort()
        columns = list(zip(*sparse, strict=True)) or [(), (), (), ()]
        starts = np.searchsorted(np.array(columns[0], np.int64), np.arange(count + 1))
        return HotTables(
            following,
            factors,
            ends,
            starts.astype(np.int32),
            np.array(columns[1], np.int32),
            np.array(columns[2], np.int32),
            np.array(columns[3], np.float64),
            refunds,
        )
