"""What the models say to a step of the beam search: records and the compiled questions. See `recog.ctc.fusion`."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.ctc.search import CHARACTERS, HOT, Search
from recog.lm.hotwords import HotTables
from recog.lm.lexicon import Trie
from recog.lm.lookup import UNKNOWN, Tables, advance

# A node's word where one outside the lexicon ends; the place of a word that has left the lexicon.
UNKNOWN_WORD = -2
OUTSIDE = -1
# Where the character model counts.
NOWHERE, EVERYWHERE, IN_UNKNOWN_WORDS = range(3)
# Models without <unk> give it 10 ** -100; as a price that would be "never".
LEAST_LOG_PROB = -25.0
# A word that the context makes likelier than its look-ahead by more than exp(GAIN) may be missed where words end
# without a space and its mass is below the floor without that gain.
GAIN = math.exp(6.0)
# Alternatives below this part of the one that stays are not noted.
LEAST_ALTERNATIVE = 1e-4


class Fusion(NamedTuple):
    """All models of a decoder and their weights; read-only."""

    trie: Trie
    # (n,) exp(alpha * look-ahead) of each node of the trie.
    held: NDArray[np.float64]
    # (deepest + 2,) exp of the price of an unknown word with that many letters, P(<unk>) without context included.
    prices: NDArray[np.float64]
    letter: float
    # (W,) id in the word model of each word of the lexicon.
    word_ids: NDArray[np.int32]
    word_tables: Tables
    # Natural log of P(<unk>) without context.
    unknown_alone: float
    alpha: float
    beta: float
    # (S,) id in the character model of each label.
    character_ids: NDArray[np.int32]
    character_tables: Tables
    gamma: float
    # State of the character model where an unknown word begins.
    word_begin: int
    hot: HotTables
    has_lexicon: bool
    has_words: bool
    character_mode: int
    has_hot: bool
    # Whether prefixes with the same future are merged.
    merges: bool
    # The label that ends a word, or -1 where its last label does.
    space: int
    # Whether a text ends with </s>.
    closes: bool
    # Most extensions that one entry can have; the largest factor that hot phrases can give.
    most: int
    hot_gain: float


class Memory(NamedTuple):
    """What the models answered lately, by a hash of the question; the answers never change, so it may be reused."""

    word_keys: NDArray[np.int64]
    word_factors: NDArray[np.float64]
    word_states: NDArray[np.int32]
    character_keys: NDArray[np.int64]
    character_factors: NDArray[np.float64]
    character_states: NDArray[np.int32]
    # (S,) probabilities of a frame's likely symbols, 0 for the others; (beam,) results of `finish`.
    likely: NDArray[np.float64]
    final_factors: NDArray[np.float64]
    final_words: NDArray[np.int32]
    # A hash table of entries, and the frame that each place was filled in.
    table: NDArray[np.int32]
    table_frames: NDArray[np.int64]


def new_memory(beam: int, symbols: int, size: int = 1 << 15) -> Memory:
    """An empty memory; `size` is a power of two."""
    table = 1 << (4 * beam).bit_length()
    return Memory(
        np.full(size, -1, np.int64),
        np.zeros(size),
        np.zeros(size, np.int32),
        np.full(size, -1, np.int64),
        np.zeros(size),
        np.zeros(size, np.int32),
        np.zeros(symbols),
        np.zeros(beam),
        np.zeros(beam, np.int32),
        np.zeros(table, np.int32),
        np.full(table, -1, np.int64),
    )


@compiled
def asked_word(fusion: Fusion, memory: Memory, state: int, word: int) -> int:
    """Where memory holds exp(alpha * log P(word | state) + beta) and the state after; for an unknown word, over P(<unk>)."""
    key = np.int64(state) * (fusion.word_ids.shape[0] + 2) + (word - UNKNOWN_WORD)
    at = (np.int64(state) * 40503 + np.int64(word - UNKNOWN_WORD) * 30011) & (memory.word_keys.shape[0] - 1)
    if memory.word_keys[at] != key:
        log_prob, after = 0.0, 0
        if fusion.has_words:
            wanted = UNKNOWN if word == UNKNOWN_WORD else fusion.word_ids[word]
            log_prob, after = advance(fusion.word_tables, state, wanted)
            if wanted == UNKNOWN:
                log_prob = max(log_prob, LEAST_LOG_PROB)
            if word == UNKNOWN_WORD:
                log_prob -= fusion.unknown_alone
        memory.word_keys[at] = key
        memory.word_factors[at] = math.exp(fusion.alpha * log_prob + fusion.beta)
        memory.word_states[at] = after
    return int(at)


@compiled
def asked_character(search: Search, fusion: Fusion, memory: Memory, node: int, symbol: int) -> int:
    """Where memory holds exp(gamma * log P(symbol | state of the node)) and the state after."""
    state = np.int64(search.nodes[node, CHARACTERS])
    key = state * fusion.character_ids.shape[0] + symbol
    at = (state * 40503 + np.int64(symbol) * 30011) & (memory.character_keys.shape[0] - 1)
    if memory.character_keys[at] != key:
        log_prob, after = advance(fusion.character_tables, int(state), fusion.character_ids[symbol])
        memory.character_keys[at] = key
        memory.character_factors[at] = math.exp(fusion.gamma * max(log_prob, LEAST_LOG_PROB))
        memory.character_states[at] = after
    return int(at)


@compiled
def hot_factor(search: Search, fusion: Fusion, node: int, symbol: int) -> float:
    """What hot phrases say to a symbol."""
    if not fusion.has_hot:
        return 1.0
    return float(fusion.hot.factors[search.nodes[node, HOT], symbol])


@compiled
def hot_word(hot: HotTables, state: int, word: int) -> int:
    """Where `hot` tells what a word's end does in this state, or -1."""
    for at in range(hot.starts[state], hot.starts[state + 1]):
        if hot.words[at] == word:
            return at
    return -1


@compiled
def hot_word_factor(search: Search, fusion: Fusion, node: int, symbol: int, word: int) -> float:
    """What hot phrases say to a word that ends with a symbol, where no space ends it."""
    if not fusion.has_hot:
        return 1.0
    state = fusion.hot.following[search.nodes[node, HOT], symbol]
    at = hot_word(fusion.hot, state, word)
    return float(fusion.hot.word_factors[at] if at >= 0 else fusion.hot.refunds[state])
