"""The extensions of a beam's entries under language models, a lexicon and hot phrases. See `recog.ctc.fusion`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.ctc.questions import (
    EVERYWHERE,
    GAIN,
    IN_UNKNOWN_WORDS,
    NOWHERE,
    OUTSIDE,
    UNKNOWN_WORD,
    Fusion,
    Memory,
    asked_character,
    asked_word,
    hot_factor,
    hot_word_factor,
)
from recog.ctc.search import (
    CHILD,
    FLOOR,
    FRAME,
    LABEL,
    LEXICON,
    N_CANDIDATES,
    N_ENTRIES,
    N_SYMBOLS,
    NO_WORD,
    SIBLING,
    SLOT,
    STATE,
    WORD,
    Limits,
    Search,
    thin_out,
)
from recog.lm.lexicon import Trie


class Entry(NamedTuple):
    """An entry about to be extended."""

    number: int
    node: int
    blank: float
    both: float
    last: int
    place: int
    # 1 / what its look-ahead (or unknown word) has charged so far.
    release: float


@compiled
def extend_fused(search: Search, limits: Limits, fusion: Fusion, memory: Memory, frame: NDArray[np.float64]) -> None:
    """Offers every entry's extensions, with what the models say to them."""
    count, room = search.counts[N_SYMBOLS], search.candidate_masses.shape[0]
    highest = 0.0
    for j in range(count):
        symbol = search.symbols[j]
        memory.likely[symbol] = frame[symbol]
        highest = max(highest, frame[symbol])
    highest *= fusion.hot_gain
    if fusion.space < 0 and fusion.has_lexicon:
        highest *= GAIN
    for i in range(search.counts[N_ENTRIES]):
        if search.counts[N_CANDIDATES] + fusion.most > room:
            thin_out(search, limits)
        node, blank = search.entries[i], search.blanks[i]
        place, both = search.nodes[node, LEXICON], blank + search.repeats[i]
        release = 1.0
        if fusion.has_lexicon and place >= 0:
            release = 1.0 / fusion.held[place]
        entry = Entry(i, node, blank, both, search.nodes[node, LABEL], place, release)
        if fusion.has_lexicon and fusion.space > 0 and place != 0 and memory.likely[fusion.space] > 0.0:
            end_at_space(search, fusion, memory, entry)
        if both * highest > search.values[FLOOR]:
            if not fusion.has_lexicon:
                extend_freely(search, fusion, memory, entry)
            else:
                if place >= 0:
                    extend_known(search, fusion, memory, entry)
                extend_unknown(search, fusion, memory, entry)
    for j in range(count):
        memory.likely[search.symbols[j]] = 0.0


@compiled
def offer(search: Search, entry: Entry, probability: float, factor: float, label: int, word: int, place: int) -> None:
    """Notes an extension if it passes the floor and is not an entry already."""
    mass = (entry.blank if label == entry.last else entry.both) * probability * factor
    if mass > search.values[FLOOR]:
        if search.taken[entry.number, label] == search.counts[FRAME]:
            node = search.nodes[entry.node, CHILD]
            while node >= 0 and (search.nodes[node, LABEL] != label or search.nodes[node, WORD] != word):
                node = search.nodes[node, SIBLING]
            if node >= 0:
                slot = search.nodes[node, SLOT]
                if slot < search.counts[N_ENTRIES] and search.entries[slot] == node:
                    return
        at = search.counts[N_CANDIDATES]
        search.candidate_masses[at] = mass
        search.candidate_factors[at] = factor
        search.candidates[at, 0] = entry.number
        search.candidates[at, 1] = label
        search.candidates[at, 2] = word
        search.candidates[at, 3] = place
        search.counts[N_CANDIDATES] = at + 1


@compiled
def extend_freely(search: Search, fusion: Fusion, memory: Memory, entry: Entry) -> None:
    """Without a lexicon: every likely symbol."""
    for j in range(search.counts[N_SYMBOLS]):
        symbol = search.symbols[j]
        probability = memory.likely[symbol]
        if entry.both * probability * fusion.hot_gain <= search.values[FLOOR]:
            continue
        factor = hot_factor(search, fusion, entry.node, symbol)
        if fusion.character_mode != NOWHERE:
            factor *= memory.character_factors[asked_character(search, fusion, memory, entry.node, symbol)]
        offer(search, entry, probability, factor, symbol, NO_WORD, 0)


@compiled
def extend_known(search: Search, fusion: Fusion, memory: Memory, entry: Entry) -> None:
    """Likely symbols that go on inside the lexicon; without a space symbol, also the words that end with them."""
    trie, floor = fusion.trie, search.values[FLOOR]
    for child in range(trie.children[entry.place], trie.children[entry.place + 1]):
        symbol = trie.labels[child]
        probability = memory.likely[symbol]
        if probability == 0.0:
            continue
        mass = (entry.blank if symbol == entry.last else entry.both) * probability
        factor = fusion.held[child] * entry.release
        if fusion.has_hot:
            factor *= hot_factor(search, fusion, entry.node, symbol)
        if mass * factor > floor:
            if fusion.character_mode == EVERYWHERE:
                factor *= memory.character_factors[asked_character(search, fusion, memory, entry.node, symbol)]
            offer(search, entry, probability, factor, symbol, NO_WORD, child)
        if fusion.space < 0 and mass * factor * GAIN > floor:
            end_at_label(search, fusion, memory, entry, symbol, child)


@compiled
def extend_unknown(search: Search, fusion: Fusion, memory: Memory, entry: Entry) -> None:
    """Likely symbols that leave the lexicon, or go on outside it."""
    if entry.place == OUTSIDE:
        price = fusion.letter
    else:
        price = fusion.prices[fusion.trie.depths[entry.place] + 1] * entry.release
        if fusion.character_mode == IN_UNKNOWN_WORDS:
            price *= search.spellings[entry.node]
    for j in range(search.counts[N_SYMBOLS]):
        symbol = search.symbols[j]
        probability = memory.likely[symbol]
        if symbol == fusion.space or entry.both * probability * price * fusion.hot_gain * GAIN <= search.values[FLOOR]:
            continue
        if entry.place >= 0 and below(fusion.trie, entry.place, symbol):
            continue
        factor = price * hot_factor(search, fusion, entry.node, symbol)
        if fusion.character_mode != NOWHERE:
            factor *= memory.character_factors[asked_character(search, fusion, memory, entry.node, symbol)]
        offer(search, entry, probability, factor, symbol, NO_WORD, OUTSIDE)
        if fusion.space < 0:
            # The price of its letters is paid; P(<unk> | state) replaces P(<unk>).
            asked = asked_word(fusion, memory, search.nodes[entry.node, STATE], UNKNOWN_WORD)
            factor *= memory.word_factors[asked] * fusion.held[0]
            factor *= hot_word_factor(search, fusion, entry.node, symbol, UNKNOWN_WORD)
            offer(search, entry, probability, factor, symbol, UNKNOWN_WORD, 0)


@compiled
def below(trie: Trie, place: int, symbol: int) -> bool:
    """Whether the lexicon goes on with this symbol."""
    for child in range(trie.children[place], trie.children[place + 1]):  # noqa: SIM110 - numba knows no any()
        if trie.labels[child] == symbol:
            return True
    return False


@compiled
def end_at_space(search: Search, fusion: Fusion, memory: Memory, entry: Entry) -> None:
    """A space ends the word before it, in every sense that its spelling has."""
    space, trie, state = fusion.space, fusion.trie, search.nodes[entry.node, STATE]
    probability = memory.likely[space]
    common = fusion.held[0] * hot_factor(search, fusion, entry.node, space)
    if fusion.character_mode != NOWHERE:
        spelled = memory.character_factors[asked_character(search, fusion, memory, entry.node, space)]
        if fusion.character_mode == EVERYWHERE:
            common *= spelled
    if entry.place >= 0:
        first, last = trie.word_starts[entry.place], trie.word_starts[entry.place + 1]
        for place in range(first, last):
            word = trie.words[place]
            factor = memory.word_factors[asked_word(fusion, memory, state, word)] * common * entry.release
            offer(search, entry, probability, factor, space, word, 0)
        if last > first:
            return
        common *= fusion.prices[trie.depths[entry.place]] * entry.release
        if fusion.character_mode == IN_UNKNOWN_WORDS:
            common *= search.spellings[entry.node]
    if fusion.character_mode == IN_UNKNOWN_WORDS:
        common *= spelled
    factor = memory.word_factors[asked_word(fusion, memory, state, UNKNOWN_WORD)] * common
    offer(search, entry, probability, factor, space, UNKNOWN_WORD, 0)


@compiled
def end_at_label(search: Search, fusion: Fusion, memory: Memory, entry: Entry, symbol: int, place: int) -> None:
    """A label ends the word that it completes, in every sense that its spelling has; none of them: an unknown word."""
    trie, state = fusion.trie, search.nodes[entry.node, STATE]
    probability = memory.likely[symbol]
    common = fusion.held[0] * entry.release * hot_factor(search, fusion, entry.node, symbol)
    spelled = 1.0
    if fusion.character_mode != NOWHERE:
        spelled = memory.character_factors[asked_character(search, fusion, memory, entry.node, symbol)]
        if fusion.character_mode == EVERYWHERE:
            common *= spelled
    first, last = trie.word_starts[place], trie.word_starts[place + 1]
    for at in range(first, last):
        word = trie.words[at]
        factor = memory.word_factors[asked_word(fusion, memory, state, word)] * common
        factor *= hot_word_factor(search, fusion, entry.node, symbol, word)
        offer(search, entry, probability, factor, symbol, word, 0)
    if first == last:
        factor = memory.word_factors[asked_word(fusion, memory, state, UNKNOWN_WORD)] * common
        factor *= fusion.prices[trie.depths[place]] * hot_word_factor(search, fusion, entry.node, symbol, UNKNOWN_WORD)
        if fusion.character_mode == IN_UNKNOWN_WORDS:
            factor *= search.spellings[entry.node] * spelled
        offer(search, entry, probability, factor, symbol, UNKNOWN_WORD, 0)
