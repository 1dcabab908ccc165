"""Beam search with a lexicon, word and character n-grams, and hot phrases: the compiled steps that `search` lacks.

A prefix has a place in the lexicon (where its unfinished word stands), the states of both language models, and the
state of the hot phrases. An extension's mass is multiplied by a factor, exp of what the models say:

- inside a word: the change of the best word still possible (look-ahead), so that a narrow beam keeps what is likely;
- where a word ends: exp(alpha * log P(word | state) + beta), and the look-ahead is taken back;
- a word outside the lexicon pays a price for being unknown and for each letter, from the letter where it leaves the
  lexicon on, and P(<unk> | state) at its end: possible at any time, never cheap;
- with a character model, exp(gamma * log P(symbol | state) + delta) for every symbol, or, without delta, only in words outside
  the lexicon.

Prefixes whose future is the same by all of this (place, states, last label) are merged in the Viterbi sense: the
likelier one stays with its own mass, so that a hypothesis' score is its own; the other is noted as an alternative.
"""

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.ctc.extension import extend_fused
from recog.ctc.questions import (
    EVERYWHERE,
    IN_UNKNOWN_WORDS,
    NOWHERE,
    UNKNOWN_WORD,
    Answers,
    Fusion,
    Memory,
    Model,
    Spellings,
    ask,
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
from recog.lm.hotwords import HotTables
from recog.lm.lookup import END, UNKNOWN

# Alternatives below this part of the one that stays are not noted.
LEAST_ALTERNATIVE = 1e-4


@compiled
def advance_fused(
    search: Search, limits: Limits, fusion: Fusion, memory: Memory, probabilities: NDArray[np.float64], first: int
) -> int:
    """As `search.advance_plain`, with models."""
    counts, kinds = search.counts, fusion.kinds
    nodes, alternatives = search.nodes.shape[0], search.alternatives.shape[0]
    stayed_blanks, stayed_repeats, masses = search.stayed_blanks, search.stayed_repeats, search.candidate_masses
    symbols, scratch, values = search.symbols, search.scratch, search.values
    for step in range(first, probabilities.shape[0]):
        if counts[N_NODES] + limits.beam > nodes or counts[N_ALTERNATIVES] + limits.beam > alternatives:
            return int(step)
        frame = probabilities[step]
        likely(symbols, counts, frame, limits.least_probability)
        stay(search, limits, frame)
        if counts[N_SYMBOLS]:
            extend_fused(search, fusion, memory, frame)
        choose(stayed_blanks, stayed_repeats, masses, scratch, counts, values, limits)
        first_new = commit(search)
        if counts[N_NODES] > first_new:
            annotate(search, first_new)
            if kinds.has_words:
                annotate_words(search, fusion.words, memory.words, first_new)
            if kinds.character_mode != NOWHERE:
                annotate_characters(search, fusion.characters, memory.characters, kinds.character_mode, first_new)
            if kinds.has_hot:
                annotate_hot(search, fusion.hot, fusion.spellings.space, first_new)
        if counts[N_SYMBOLS] and kinds.merges:
            merge(search, memory)
    return int(probabilities.shape[0])


@compiled
def annotate(search: Search, first: int) -> None:
    """New nodes begin with their parents' states."""
    nodes = search.nodes
    for node in range(first, search.counts[N_NODES]):
        parent = nodes[node, PARENT]
        nodes[node, STATE] = nodes[parent, STATE]
        nodes[node, CHARACTERS] = nodes[parent, CHARACTERS]
        nodes[node, HOT] = nodes[parent, HOT]
        nodes[node, ALTERNATIVE] = -1


@compiled
def annotate_words(search: Search, model: Model, answers: Answers, first: int) -> None:
    """Where a word ends, the word model's state moves on."""
    nodes, tables, ids, states = search.nodes, model.tables, model.ids, answers.states
    for node in range(first, search.counts[N_NODES]):
        word = nodes[node, WORD]
        if word != NO_WORD:
            unit = ids[word] if word != UNKNOWN_WORD else UNKNOWN
            nodes[node, STATE] = states[ask(answers, tables, nodes[node, STATE], unit, model.weight, model.bonus)]


@compiled
def annotate_characters(search: Search, model: Model, answers: Answers, mode: int, first: int) -> None:
    """The character model's state moves on; where it only spells unknown words, it begins anew after each word."""
    nodes, spellings, tables, ids = search.nodes, search.spellings, model.tables, model.ids
    factors, states = answers.factors, answers.states
    for node in range(first, search.counts[N_NODES]):
        if mode == IN_UNKNOWN_WORDS and nodes[node, WORD] != NO_WORD:
            nodes[node, CHARACTERS] = model.word_begin
            spellings[node] = 1.0
        else:
            at = ask(answers, tables, nodes[node, CHARACTERS], ids[nodes[node, LABEL]], model.weight, model.bonus)
            nodes[node, CHARACTERS] = states[at]
            spellings[node] = spellings[nodes[node, PARENT]] * factors[at]


@compiled
def annotate_hot(search: Search, hot: HotTables, space: int, first: int) -> None:
    """The state of the hot phrases moves on with the label, and with the word where no space ends it."""
    nodes, following, starts, words = search.nodes, hot.following, hot.starts, hot.words
    word_following = hot.word_following
    for node in range(first, search.counts[N_NODES]):
        state = following[nodes[node, HOT], nodes[node, LABEL]]
        if nodes[node, WORD] != NO_WORD and space < 0:
            at = hot_word(starts, words, state, nodes[node, WORD])
            state = word_following[at] if at >= 0 else 0
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
    nodes, entries, blanks, repeats = search.nodes, search.entries, search.blanks, search.repeats
    table, table_frames, now = memory.table, memory.table_frames, search.counts[FRAME]
    mask = table.shape[0] - 1
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
        while table_frames[at] == now and not same_future(nodes, entries[table[at]], node):
            at = (at + 1) & mask
        target = count
        if table_frames[at] != now:
            table_frames[at] = now
            table[at] = count
            count += 1
        else:
            target = table[at]
            other = entries[target]
            mine, its = blanks[i] + repeats[i], blanks[target] + repeats[target]
            if mine <= its:
                note(nodes, search.alternatives, search.parts, search.counts, other, node, mine / its)
                continue
            note(nodes, search.alternatives, search.parts, search.counts, node, other, its / mine)
        entries[target], blanks[target], repeats[target] = node, blanks[i], repeats[i]
        nodes[node, SLOT] = target
    search.counts[N_ENTRIES] = count


@compiled
def note(
    nodes: NDArray[np.int32],
    alternatives: NDArray[np.int32],
    parts: NDArray[np.float64],
    counts: NDArray[np.int64],
    node: int,
    other: int,
    part: float,
) -> None:
    """Remembers that `other` gave way to `node`, having `part` of its mass; of several times, the largest part."""
    if part < LEAST_ALTERNATIVE:
        return
    at = nodes[node, ALTERNATIVE]
    while at >= 0:
        if alternatives[at, 0] == other:
            parts[at] = max(parts[at], part)
            return
        at = alternatives[at, 1]
    at = counts[N_ALTERNATIVES]
    counts[N_ALTERNATIVES] = at + 1
    alternatives[at, 0] = other
    alternatives[at, 1] = nodes[node, ALTERNATIVE]
    parts[at] = part
    nodes[node, ALTERNATIVE] = at


@compiled
def finish(search: Search, fusion: Fusion, memory: Memory) -> None:
    """Ends the text after every entry: its last word, </s>, hot phrases. Changes nothing but `memory.final_*`."""
    kinds, n = fusion.kinds, search.counts[N_ENTRIES]
    memory.final_factors[:n] = 1.0
    memory.final_words[:n] = NO_WORD
    if kinds.has_lexicon:
        finish_words(search, fusion.spellings, fusion.words, memory, kinds.character_mode, kinds.has_words)
    if kinds.has_words and kinds.closes:
        close(search, fusion.words, memory.words, memory.final_states, memory.final_factors)
    if kinds.character_mode == EVERYWHERE and kinds.closes:
        for i in range(n):
            memory.final_states[i] = search.nodes[search.entries[i], CHARACTERS]
        close(search, fusion.characters, memory.characters, memory.final_states, memory.final_factors)
    if kinds.has_hot:
        nodes, entries, ends, factors = search.nodes, search.entries, fusion.hot.ends, memory.final_factors
        for i in range(n):
            factors[i] *= ends[nodes[entries[i], HOT]]


@compiled
def finish_words(
    search: Search, spellings: Spellings, model: Model, memory: Memory, mode: int, has_words: bool
) -> None:
    """Ends the unfinished word of every entry, in the likeliest sense of its spelling."""
    nodes, entries, tables, ids, answers = search.nodes, search.entries, model.tables, model.ids, memory.words
    word_starts, words, held = spellings.word_starts, spellings.words, spellings.held
    for i in range(search.counts[N_ENTRIES]):
        node = entries[i]
        place, state = nodes[node, LEXICON], nodes[node, STATE]
        memory.final_states[i] = state
        if place == 0:
            continue
        first, last, common = 0, 0, held[0]
        if place > 0:
            first, last, common = word_starts[place], word_starts[place + 1], held[0] / held[place]
        best = 0.0
        for way in range(first, max(last, first + 1)):
            word = words[way] if last > first else UNKNOWN_WORD
            at = 0
            if has_words:
                at = ask(answers, tables, state, ids[word] if word >= 0 else UNKNOWN, model.weight, model.bonus)
            factor = answers.factors[at]
            if word == UNKNOWN_WORD:
                factor *= model.unknown_release
                if place > 0:
                    factor *= spellings.prices[spellings.depths[place]]
                if place > 0 and mode == IN_UNKNOWN_WORDS:
                    factor *= search.spellings[node]
            if factor > best:
                best = factor
                memory.final_words[i], memory.final_states[i] = word, answers.states[at]
        memory.final_factors[i] = common * best


@compiled
def close(
    search: Search, model: Model, answers: Answers, states: NDArray[np.int32], factors: NDArray[np.float64]
) -> None:
    """Multiplies every entry's factor by that of </s> in its state."""
    tables, answered = model.tables, answers.factors
    for i in range(search.counts[N_ENTRIES]):
        factors[i] *= answered[ask(answers, tables, states[i], END, model.weight, 0.0)]
