"""Beam search with a lexicon, word and character n-grams, and hot phrases: the compiled steps that `search` lacks.

A prefix has a place in the lexicon (where its unfinished word stands), the states of both language models, and the
state of the hot phrases. An extension's mass is multiplied by a factor, exp of what the models say:

- inside a word: the change of the best word still possible (look-ahead), so that a narrow beam keeps what is likely;
- where a word ends: exp(alpha * log P(word | state) + beta), and the look-ahead is taken back;
- a word outside the lexicon pays a price for being unknown and for each letter, from the letter where it leaves the
  lexicon on, and P(<unk> | state) at its end: possible at any time, never cheap;
- with a character model, exp(gamma * log P(symbol | state)) for every symbol, or only in words outside the lexicon.

Prefixes whose future is the same by all of this (place, states, last label) are merged in the Viterbi sense: the
likelier one stays with its own mass, so that a hypothesis' score is its own; the other is noted as an alternative.
"""

import math

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.ctc.extension import extend_fused
from recog.ctc.questions import (
    EVERYWHERE,
    IN_UNKNOWN_WORDS,
    LEAST_ALTERNATIVE,
    NOWHERE,
    UNKNOWN_WORD,
    Fusion,
    Memory,
    asked_character,
    asked_word,
    hot_word,
)
from recog.ctc.search import (
    ALTERNATIVE,
    CHARACTERS,
    FRAME,
    HOT,
    LABEL,
    LEXICON,
    N_ALTERNATIVES,
    N_ENTRIES,
    N_NODES,
    N_SYMBOLS,
    NO_WORD,
    PARENT,
    SLOT,
    STATE,
    WORD,
    Limits,
    Search,
    choose,
    commit,
    likely,
    stay,
)
from recog.lm.lookup import END, advance


@compiled
def advance_fused(
    search: Search, limits: Limits, fusion: Fusion, memory: Memory, probabilities: NDArray[np.float64], first: int
) -> int:
    """As `search.advance_plain`, with models."""
    for step in range(first, probabilities.shape[0]):
        room = search.alternatives.shape[0]
        if (
            search.counts[N_NODES] + limits.beam > search.nodes.shape[0]
            or search.counts[N_ALTERNATIVES] + limits.beam > room
        ):
            return int(step)
        frame = probabilities[step]
        likely(search, limits, frame)
        stay(search, limits, frame)
        if search.counts[N_SYMBOLS]:
            extend_fused(search, limits, fusion, memory, frame)
            choose(search, limits)
            first_new = commit(search)
            annotate(search, fusion, memory, first_new)
            if fusion.merges:
                merge(search, memory)
        else:
            choose(search, limits)
            commit(search)
    return int(probabilities.shape[0])


@compiled
def annotate(search: Search, fusion: Fusion, memory: Memory, first: int) -> None:
    """Gives new nodes their models' states."""
    nodes = search.nodes
    for node in range(first, search.counts[N_NODES]):
        parent, label, word = nodes[node, PARENT], nodes[node, LABEL], nodes[node, WORD]
        nodes[node, STATE] = nodes[parent, STATE]
        nodes[node, CHARACTERS] = nodes[parent, CHARACTERS]
        nodes[node, HOT] = nodes[parent, HOT]
        nodes[node, ALTERNATIVE] = -1
        if word != NO_WORD and fusion.has_words:
            nodes[node, STATE] = memory.word_states[asked_word(fusion, memory, nodes[parent, STATE], word)]
        if fusion.character_mode == IN_UNKNOWN_WORDS and word != NO_WORD:
            nodes[node, CHARACTERS] = fusion.word_begin
            search.spellings[node] = 1.0
        elif fusion.character_mode != NOWHERE:
            asked = asked_character(search, fusion, memory, parent, label)
            nodes[node, CHARACTERS] = memory.character_states[asked]
            search.spellings[node] = search.spellings[parent] * memory.character_factors[asked]
        if fusion.has_hot:
            state = fusion.hot.following[nodes[parent, HOT], label]
            if word != NO_WORD and fusion.space < 0:
                at = hot_word(fusion.hot, state, word)
                state = fusion.hot.word_following[at] if at >= 0 else 0
            nodes[node, HOT] = state


@compiled
def same_future(nodes: NDArray[np.int32], one: int, other: int) -> bool:
    """Whether whatever follows gets the same factors after both nodes."""
    return bool(
        nodes[one, LABEL] == nodes[other, LABEL]
        and nodes[one, STATE] == nodes[other, STATE]
        and nodes[one, LEXICON] == nodes[other, LEXICON]
        and nodes[one, CHARACTERS] == nodes[other, CHARACTERS]
        and nodes[one, HOT] == nodes[other, HOT]
    )


@compiled
def merge(search: Search, memory: Memory) -> None:
    """Of entries with the same future keeps the likeliest, and notes the others as its alternatives."""
    nodes, entries, now = search.nodes, search.entries, search.counts[FRAME]
    mask = memory.table.shape[0] - 1
    count = 0
    for i in range(search.counts[N_ENTRIES]):
        node = entries[i]
        at = (
            np.int64(nodes[node, STATE]) * 40503
            + np.int64(nodes[node, LEXICON]) * 30011
            + np.int64(nodes[node, CHARACTERS]) * 20011
            + np.int64(nodes[node, HOT]) * 10007
            + np.int64(nodes[node, LABEL]) * 4001
        ) & mask
        while memory.table_frames[at] == now and not same_future(nodes, entries[memory.table[at]], node):
            at = (at + 1) & mask
        if memory.table_frames[at] != now:
            memory.table_frames[at] = now
            memory.table[at] = count
            move(search, i, count)
            count += 1
        else:
            other = memory.table[at]
            mine, its = search.blanks[i] + search.repeats[i], search.blanks[other] + search.repeats[other]
            if mine > its:
                note(search, node, entries[other], its / mine)
                move(search, i, other)
            else:
                note(search, entries[other], node, mine / its)
    search.counts[N_ENTRIES] = count


@compiled
def move(search: Search, source: int, target: int) -> None:
    """Puts an entry into another place."""
    search.entries[target] = search.entries[source]
    search.blanks[target] = search.blanks[source]
    search.repeats[target] = search.repeats[source]
    search.nodes[search.entries[source], SLOT] = target


@compiled
def note(search: Search, node: int, other: int, part: float) -> None:
    """Remembers that `other` gave way to `node`, having `part` of its mass; of several times, the largest part."""
    if part < LEAST_ALTERNATIVE:
        return
    at = search.nodes[node, ALTERNATIVE]
    while at >= 0:
        if search.alternatives[at, 0] == other:
            search.parts[at] = max(search.parts[at], part)
            return
        at = search.alternatives[at, 1]
    at = search.counts[N_ALTERNATIVES]
    search.counts[N_ALTERNATIVES] = at + 1
    search.alternatives[at, 0] = other
    search.alternatives[at, 1] = search.nodes[node, ALTERNATIVE]
    search.parts[at] = part
    search.nodes[node, ALTERNATIVE] = at


@compiled
def finish(search: Search, fusion: Fusion, memory: Memory) -> None:
    """Ends the text after every entry: its last word, </s>, hot phrases. Changes nothing but `memory.final_*`."""
    nodes, trie = search.nodes, fusion.trie
    for i in range(search.counts[N_ENTRIES]):
        node = search.entries[i]
        factor, word = 1.0, NO_WORD
        place, state = nodes[node, LEXICON], nodes[node, STATE]
        if fusion.has_lexicon and place != 0:
            word, factor = UNKNOWN_WORD, fusion.held[0]
            if place > 0:
                factor /= fusion.held[place]
                for at in range(trie.word_starts[place], trie.word_starts[place + 1]):
                    other = trie.words[at]
                    if word == UNKNOWN_WORD or (
                        memory.word_factors[asked_word(fusion, memory, state, other)]
                        > memory.word_factors[asked_word(fusion, memory, state, word)]
                    ):
                        word = other
                if word == UNKNOWN_WORD:
                    factor *= fusion.prices[trie.depths[place]]
                    if fusion.character_mode == IN_UNKNOWN_WORDS:
                        factor *= search.spellings[node]
            asked = asked_word(fusion, memory, state, word)
            factor *= memory.word_factors[asked]
            state = memory.word_states[asked]
        if fusion.closes and fusion.has_words:
            factor *= math.exp(fusion.alpha * advance(fusion.word_tables, state, END)[0])
        if fusion.closes and fusion.character_mode == EVERYWHERE:
            factor *= math.exp(fusion.gamma * advance(fusion.character_tables, nodes[node, CHARACTERS], END)[0])
        if fusion.has_hot:
            factor *= fusion.hot.ends[nodes[node, HOT]]
        memory.final_factors[i] = factor
        memory.final_words[i] = word
