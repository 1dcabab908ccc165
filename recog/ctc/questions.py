"""What a decoder knows besides its network, as arrays for compiled code, and the one question that it asks of n-grams.

Compiled functions here and in the files that use these records read each array of a tuple once, into a local name:
every reading counts references, which in an inner loop would take longer than the work itself.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.lm.hotwords import HotTables
from recog.lm.lookup import Tables, advance

# A node's word where one outside the lexicon ends; the place of a word that has left the lexicon.
UNKNOWN_WORD = -2
OUTSIDE = -1
# Where the character model counts.
NOWHERE, EVERYWHERE, IN_UNKNOWN_WORDS = range(3)
# Models without <unk> give it 10 ** -100; as a price that would be "never".
LEAST_LOG_PROB = -25.0
# A word that the context makes likelier than its look-ahead by more than this factor may be missed, if without it the
# word would not be worth a look.
WORD_GAIN = math.exp(6.0)


class Spellings(NamedTuple):
    """The lexicon; see `recog.lm.lexicon.Trie` for the first five arrays."""

    children: NDArray[np.int32]
    labels: NDArray[np.int32]
    depths: NDArray[np.int16]
    word_starts: NDArray[np.int32]
    words: NDArray[np.int32]
    # (n,) exp(alpha * look-ahead) of each node.
    held: NDArray[np.float64]
    # (deepest + 2,) exp of the price of an unknown word with that many letters, P(<unk>) without context included.
    prices: NDArray[np.float64]
    # exp of the price of a letter.
    letter: float
    # The label that ends a word, or -1 where its last label does.
    space: int


class Model(NamedTuple):
    """An n-gram model over words or characters, and how much it counts."""

    tables: Tables
    # Id in the model of each word of the lexicon, or of each label.
    ids: NDArray[np.int32]
    weight: float
    # Added for each unit: the reward for words.
    bonus: float
    # P(<unk>) without context to the power of -weight: prices hold it, a word's end replaces it.
    unknown_release: float
    # State where a text begins; where an unknown word's spelling begins.
    begin: int
    word_begin: int


class Kinds(NamedTuple):
    """What there is."""

    has_lexicon: bool
    has_words: bool
    character_mode: int
    has_hot: bool
    # Whether prefixes with the same future are merged.
    merges: bool
    # Whether a text ends with </s>.
    closes: bool
    # Most extensions that one entry can have.
    most: int
    # The largest factor by which hot phrases, or the end of a word, may raise an extension.
    gain: float


class Fusion(NamedTuple):
    """All of it; read-only."""

    spellings: Spellings
    words: Model
    characters: Model
    hot: HotTables
    kinds: Kinds


class Answers(NamedTuple):
    """What a model answered lately, at places found by a hash of the question; answers never change."""

    keys: NDArray[np.int64]
    # exp(weight * log P(unit | state) + bonus), and the state after.
    factors: NDArray[np.float64]
    states: NDArray[np.int32]


class Memory(NamedTuple):
    """What a decoding needs besides its `Search`; goes from one decoding to the next."""

    words: Answers
    characters: Answers
    # (S,) probabilities of a frame's likely symbols, 0 for the others.
    likely: NDArray[np.float64]
    # (beam * most,) what the character model made of an extension's symbol.
    spelled: NDArray[np.float64]
    # (beam,) results of `finish`.
    final_factors: NDArray[np.float64]
    final_words: NDArray[np.int32]
    final_states: NDArray[np.int32]
    # A hash table of entries, and the frame that each place was filled in.
    table: NDArray[np.int32]
    table_frames: NDArray[np.int64]


def new_memory(beam: int, symbols: int, fusion: Fusion, size: int = 1 << 15) -> Memory:
    """An empty memory; `size` is a power of two."""
    places = 1 << (4 * beam).bit_length()
    answers = [Answers(np.full(size, -1, np.int64), np.zeros(size), np.zeros(size, np.int32)) for _ in range(2)]
    if not fusion.kinds.has_words:  # the one answer then
        answers[0].factors[0] = math.exp(fusion.words.bonus)
    return Memory(
        words=answers[0],
        characters=answers[1],
        likely=np.zeros(symbols),
        spelled=np.zeros(beam * fusion.kinds.most),
        final_factors=np.zeros(beam),
        final_words=np.zeros(beam, np.int32),
        final_states=np.zeros(beam, np.int32),
        table=np.zeros(places, np.int32),
        table_frames=np.full(places, -1, np.int64),
    )


@compiled
def ask(answers: Answers, tables: Tables, state: int, unit: int, weight: float, bonus: float) -> int:
    """Where `answers` holds exp(weight * log P(unit | state) + bonus) and the state after."""
    keys = answers.keys
    key = (np.int64(state) << 31) + np.int64(unit)
    at = (np.int64(state) * 40503 + np.int64(unit) * 30011) & (keys.shape[0] - 1)
    if keys[at] != key:
        log_prob, after = advance(tables, int(state), int(unit))
        keys[at] = key
        answers.factors[at] = math.exp(weight * max(log_prob, LEAST_LOG_PROB) + bonus)
        answers.states[at] = after
    return int(at)


@compiled
def hot_word(starts: NDArray[np.int32], words: NDArray[np.int32], state: int, word: int) -> int:
    """Where `HotTables` tells what a word's end does in this state, or -1."""
    for at in range(starts[state], starts[state + 1]):
        if words[at] == word:
            return at
    return -1
