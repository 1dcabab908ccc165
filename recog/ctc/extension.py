"""The extensions of a beam's entries under language models, a lexicon and hot phrases, in four passes over them.

`list_steps` lists the symbols that may follow each entry, `weigh_steps` lets the character model and hot phrases
speak, `end_words` adds the words that end, `keep_steps` leaves those worth choosing from. See `recog.ctc.fusion`.
"""

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.ctc.questions import (
    EVERYWHERE,
    IN_UNKNOWN_WORDS,
    NOWHERE,
    OUTSIDE,
    UNKNOWN_WORD,
    WORD_GAIN,
    Answers,
    Fusion,
    Memory,
    Model,
    Spellings,
    ask,
    hot_word,
)
from recog.ctc.search import (
    CHARACTERS,
    CHILD,
    FLOOR,
    FRAME,
    HOT,
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
    Search,
)
from recog.lm.hotwords import HotTables
from recog.lm.lookup import UNKNOWN


@compiled
def extend_fused(search: Search, fusion: Fusion, memory: Memory, frame: NDArray[np.float64]) -> None:
    """Lists every entry's extensions as candidates, with what the models say to them."""
    kinds, symbols, likely = fusion.kinds, search.symbols, memory.likely
    count, highest = search.counts[N_SYMBOLS], 0.0
    for j in range(count):
        likely[symbols[j]] = frame[symbols[j]]
        highest = max(highest, frame[symbols[j]])
    if kinds.has_lexicon:
        list_spellings(search, fusion.spellings, likely, highest * kinds.gain, kinds.gain)
    else:
        list_symbols(search, likely, highest * kinds.gain)
    if kinds.has_hot:
        weigh_hot(search, fusion.hot)
    if kinds.character_mode != NOWHERE:
        gain = WORD_GAIN if kinds.has_lexicon else 1.0
        weigh_characters(
            search, fusion.characters, memory.characters, memory.spelled, kinds.character_mode, kinds.gain * gain
        )
    if kinds.has_lexicon:
        spelled = memory.spelled if kinds.character_mode == IN_UNKNOWN_WORDS else memory.spelled[:0]
        end_words(search, fusion.spellings, fusion.words, memory.words, spelled, kinds.has_words)
        if kinds.has_hot and fusion.spellings.space < 0:
            weigh_hot_words(search, fusion.hot)
    keep_steps(search)
    for j in range(count):
        likely[symbols[j]] = 0.0


@compiled
def list_symbols(search: Search, likely: NDArray[np.float64], highest: float) -> None:
    """Without a lexicon: every likely symbol after every entry."""
    nodes, entries, blanks, repeats, symbols = (
        search.nodes,
        search.entries,
        search.blanks,
        search.repeats,
        search.symbols,
    )
    steps, masses, factors = search.candidates, search.candidate_masses, search.candidate_factors
    count, floor, place = search.counts[N_SYMBOLS], search.values[FLOOR], 0
    for i in range(search.counts[N_ENTRIES]):
        blank = blanks[i]
        both = blank + repeats[i]
        if both * highest <= floor:
            continue
        last = nodes[entries[i], LABEL]
        for j in range(count):
            symbol = symbols[j]
            masses[place] = (blank if symbol == last else both) * likely[symbol]
            factors[place] = 1.0
            steps[place, 0] = i
            steps[place, 1] = symbol
            steps[place, 2] = NO_WORD
            steps[place, 3] = 0
            place += 1
    search.counts[N_CANDIDATES] = place


@compiled
def list_spellings(
    search: Search, spellings: Spellings, likely: NDArray[np.float64], highest: float, gain: float
) -> None:
    """Likely symbols inside the lexicon, out of it, and outside; a space after an unfinished word stands for its end."""
    nodes, entries, blanks, repeats = search.nodes, search.entries, search.blanks, search.repeats
    children, labels, held, prices = spellings.children, spellings.labels, spellings.held, spellings.prices
    depths, symbols = spellings.depths, search.symbols
    steps, masses, factors = search.candidates, search.candidate_masses, search.candidate_factors
    floor, count, space = search.values[FLOOR], search.counts[N_SYMBOLS], spellings.space
    spaced = likely[space] if space > 0 else 0.0
    place = 0
    for i in range(search.counts[N_ENTRIES]):
        blank = blanks[i]
        both = blank + repeats[i]
        here = nodes[entries[i], LEXICON]
        if spaced > 0.0 and here != 0:
            masses[place], factors[place] = both * spaced, 1.0
            steps[place, 0], steps[place, 1], steps[place, 2], steps[place, 3] = i, space, NO_WORD, here
            place += 1
        if both * highest <= floor:
            continue
        last = nodes[entries[i], LABEL]
        price = spellings.letter
        if here >= 0:
            release = 1.0 / held[here]
            for child in range(children[here], children[here + 1]):
                symbol = labels[child]
                # Written in any case, counted only if good: cheaper than a branch that is hard to foresee.
                mass, factor = (blank if symbol == last else both) * likely[symbol], held[child] * release
                masses[place], factors[place] = mass, factor
                steps[place, 0], steps[place, 1], steps[place, 2], steps[place, 3] = i, symbol, NO_WORD, child
                place += int(mass * factor * gain > floor)
            price = prices[depths[here] + 1] * release
        if both * highest * price > floor:
            for j in range(count):
                symbol = symbols[j]
                known = symbol == space
                for child in range(children[max(here, 0)], children[max(here, 0) + 1] if here >= 0 else 0):
                    known |= labels[child] == symbol
                masses[place], factors[place] = (blank if symbol == last else both) * likely[symbol], price
                steps[place, 0], steps[place, 1], steps[place, 2], steps[place, 3] = i, symbol, NO_WORD, OUTSIDE
                place += int(not known)
    search.counts[N_CANDIDATES] = place


@compiled
def weigh_hot(search: Search, hot: HotTables) -> None:
    """Hot phrases speak to every symbol."""
    nodes, entries, steps, factors = search.nodes, search.entries, search.candidates, search.candidate_factors
    by_symbol = hot.factors
    for k in range(search.counts[N_CANDIDATES]):
        factors[k] *= by_symbol[nodes[entries[steps[k, 0]], HOT], steps[k, 1]]


@compiled
def weigh_hot_words(search: Search, hot: HotTables) -> None:
    """Hot phrases speak to every word that ends without a space."""
    nodes, entries, steps, factors = search.nodes, search.entries, search.candidates, search.candidate_factors
    following, starts, words, word_factors, refunds = (
        hot.following,
        hot.starts,
        hot.words,
        hot.word_factors,
        hot.refunds,
    )
    for k in range(search.counts[N_CANDIDATES]):
        if steps[k, 2] != NO_WORD:
            state = following[nodes[entries[steps[k, 0]], HOT], steps[k, 1]]
            at = hot_word(starts, words, state, steps[k, 2])
            factors[k] *= word_factors[at] if at >= 0 else refunds[state]


@compiled
def weigh_characters(
    search: Search, model: Model, answers: Answers, spelled: NDArray[np.float64], mode: int, gain: float
) -> None:
    """The character model speaks to every symbol, or only where it leaves the lexicon, is outside, or ends a word."""
    nodes, entries, steps = search.nodes, search.entries, search.candidates
    masses, factors, spellings = search.candidate_masses, search.candidate_factors, search.spellings
    tables, ids, answered = model.tables, model.ids, answers.factors
    floor = search.values[FLOOR]
    for k in range(search.counts[N_CANDIDATES]):
        if masses[k] * factors[k] * gain <= floor:
            masses[k] = 0.0
            continue
        node = entries[steps[k, 0]]
        at = ask(answers, tables, nodes[node, CHARACTERS], ids[steps[k, 1]], model.weight, model.bonus)
        if mode == EVERYWHERE:
            factors[k] *= answered[at]
        elif steps[k, 3] == OUTSIDE:
            factors[k] *= answered[at]
            if nodes[node, LEXICON] != OUTSIDE:
                factors[k] *= spellings[node]
        spelled[k] = answered[at] * spellings[node]


@compiled
def end_words(
    search: Search,
    spellings: Spellings,
    model: Model,
    answers: Answers,
    spelled: NDArray[np.float64],
    has_words: bool,
) -> None:
    """Adds the words that end with each step, in every sense of their spelling; without any, an unknown word."""
    nodes, entries, steps = search.nodes, search.entries, search.candidates
    masses, factors, floor = search.candidate_masses, search.candidate_factors, search.values[FLOOR]
    held, prices, depths, space = spellings.held, spellings.prices, spellings.depths, spellings.space
    word_starts, words = spellings.word_starts, spellings.words
    tables, ids, answered = model.tables, model.ids, answers.factors
    count = search.counts[N_CANDIDATES]
    place = count
    for k in range(count):
        if space > 0 and steps[k, 1] != space:
            continue
        node, target, mass = entries[steps[k, 0]], steps[k, 3], masses[k]
        state = nodes[node, STATE]
        first, last, common = 0, 0, factors[k] * held[0]
        if target != OUTSIDE:
            first, last = word_starts[target], word_starts[target + 1]
            common /= held[target]
        if space > 0:
            masses[k] = 0.0  # it only stood for the word's end
        for way in range(first, max(last, first + 1)):
            factor, word, unit = common, UNKNOWN_WORD, UNKNOWN
            if last > first:
                word = words[way]
                unit = ids[word]
            elif target != OUTSIDE:
                factor *= prices[depths[target]]
                if spelled.shape[0]:
                    factor *= spelled[k]
            if has_words:
                factor *= answered[ask(answers, tables, state, unit, model.weight, model.bonus)]
            else:
                factor *= answered[0]
            if word == UNKNOWN_WORD:
                factor *= model.unknown_release
            masses[place], factors[place] = mass, factor
            steps[place, 0], steps[place, 1], steps[place, 2], steps[place, 3] = steps[k, 0], steps[k, 1], word, 0
            place += int(mass * factor > floor)
    search.counts[N_CANDIDATES] = place


@compiled
def keep_steps(search: Search) -> None:
    """Multiplies masses by factors, and leaves what passes the floor and is not an entry already."""
    nodes, entries, steps = search.nodes, search.entries, search.candidates
    masses, factors, taken = search.candidate_masses, search.candidate_factors, search.taken
    floor, now, n = search.values[FLOOR], search.counts[FRAME], search.counts[N_ENTRIES]
    place = 0
    for k in range(search.counts[N_CANDIDATES]):
        mass = masses[k] * factors[k]
        if mass <= floor:
            continue
        i, label, word = steps[k, 0], steps[k, 1], steps[k, 2]
        if taken[i, label] == now:
            node = nodes[entries[i], CHILD]
            while node >= 0 and (nodes[node, LABEL] != label or nodes[node, WORD] != word):
                node = nodes[node, SIBLING]
            if node >= 0 and nodes[node, SLOT] < n and entries[nodes[node, SLOT]] == node:
                continue
        masses[place], factors[place] = mass, factors[k]
        steps[place, 0], steps[place, 1], steps[place, 2], steps[place, 3] = i, label, word, steps[k, 3]
        place += 1
    search.counts[N_CANDIDATES] = place
