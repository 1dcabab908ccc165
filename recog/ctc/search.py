"""CTC prefix beam search (Graves 2012, section 7.5.3; Hannun 2014): its arrays and compiled steps. No language model.

A prefix is a node of a tree: its parent, its last label. The beam holds the likeliest prefixes ("entries"), each with
the probability of its alignments that end in blank and of those that end in its last label. Probabilities are not
logarithms but float64 that are scaled up by an exact power of two when they grow small, so the inner loops only add
and multiply; an entry 600 nats behind the best is lost. Blank is symbol 0.

A frame goes through four steps: every entry stays (`stay`), is extended by each likely symbol (`extend`), the best
are chosen (`choose`), and become the next entries (`commit`). The fusion with language models (`recog.ctc.fusion`)
has its own `extend` and shares the rest.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.alphabet import BLANK
from recog.compile import compiled, inlined
from recog.ctc.ranking import largest, thin_out

# Columns of `Search.nodes`. The root is node 0, its parent and label are -1.
PARENT, LABEL, CHILD, SIBLING, SLOT, WORD, LEXICON, STATE, CHARACTERS, HOT, ALTERNATIVE = range(11)
COLUMNS = 12  # three quarters of a cache line
# Columns of `Search.candidates`: entry, label, word that ends, place in the lexicon.
CANDIDATE_COLUMNS = 4
# Places in `Search.counts`; FRAME counts from 1, N_TIES are the entries that may equal the floor.
N_NODES, N_ENTRIES, FRAME, N_CANDIDATES, N_SYMBOLS, N_TIES, N_ALTERNATIVES = range(7)
# Places in `Search.values`: log of the factor divided out so far, least mass worth keeping, best mass.
LOG_SCALE, FLOOR, BEST = range(3)
# Masses are multiplied by 2 ** LIFT when the best falls below 2 ** -LIFT.
LIFT = 100
# A node's word when no word ends there.
NO_WORD = -1


class Limits(NamedTuple):
    """How far a search looks."""

    # Most entries that a frame leaves.
    beam: int
    # A symbol below this probability in a frame extends nothing, unless it is the frame's best.
    least_probability: float
    # An entry below this part of the frame's best entry is dropped.
    least_part: float
    # The symbol whose repetition counts as one even across a blank and at the beginning, or -1.
    space: int


class Search(NamedTuple):
    """All arrays of one search; the compiled steps change them in place."""

    # (capacity, COLUMNS) the prefix tree.
    nodes: NDArray[np.int32]
    # (capacity,) what the language models made of a node's last step, as a factor.
    factors: NDArray[np.float64]
    # (capacity,) what the character model made of the unfinished word, as a factor.
    spellings: NDArray[np.float64]
    # (capacity, 2) prefixes that gave way to one with the same future: the node, and the next one for the same
    # winner or -1; (capacity,) their part of its mass.
    alternatives: NDArray[np.int32]
    parts: NDArray[np.float64]
    # (beam,) node of each entry, and the same being prepared for the next frame.
    entries: NDArray[np.int32]
    next_entries: NDArray[np.int32]
    # (beam,) probability of an entry's alignments that end in blank, and of those that end in its label.
    blanks: NDArray[np.float64]
    repeats: NDArray[np.float64]
    # (beam,) the same after staying for one more frame.
    stayed_blanks: NDArray[np.float64]
    stayed_repeats: NDArray[np.float64]
    # (beam, S) the last frame in which this extension of an entry was found to be an entry itself.
    taken: NDArray[np.int32]
    # (room,) extensions: their mass, factor, and (entry, label, word, place in the lexicon).
    candidate_masses: NDArray[np.float64]
    candidate_factors: NDArray[np.float64]
    candidates: NDArray[np.int32]
    # (beam + room,) space for choosing.
    scratch: NDArray[np.float64]
    # (S,) the symbols of a frame that may extend.
    symbols: NDArray[np.int32]
    counts: NDArray[np.int64]
    values: NDArray[np.float64]


def new_search(beam: int, symbols: int, most: int = 0, capacity: int = 4096) -> Search:
    """A search before its first frame: one entry, the empty prefix.

    With `most`, there is room for that many extensions of every entry.
    """
    room = beam * most if most else 4 * beam + 2 * symbols
    capacity = max(capacity, 2 * beam + 2)
    search = Search(
        nodes=np.zeros((capacity, COLUMNS), np.int32),
        factors=np.ones(capacity),
        spellings=np.ones(capacity),
        alternatives=np.zeros((capacity, 2), np.int32),
        parts=np.zeros(capacity),
        entries=np.zeros(beam, np.int32),
        next_entries=np.zeros(beam, np.int32),
        blanks=np.zeros(beam),
        repeats=np.zeros(beam),
        stayed_blanks=np.zeros(beam),
        stayed_repeats=np.zeros(beam),
        taken=np.zeros((beam, symbols), np.int32),
        candidate_masses=np.zeros(room),
        candidate_factors=np.ones(room),
        candidates=np.zeros((room, CANDIDATE_COLUMNS), np.int32),
        scratch=np.zeros(beam + room),
        symbols=np.zeros(symbols, np.int32),
        counts=np.zeros(7, np.int64),
        values=np.zeros(3),
    )
    renew(search)
    return search


def renew(search: Search) -> None:
    """Makes a used search one before its first frame: quicker than new arrays."""
    search.nodes[0] = 0
    search.nodes[0, [PARENT, LABEL, CHILD, SIBLING, WORD, ALTERNATIVE]] = -1
    search.taken.fill(0)
    search.counts.fill(0)
    search.values.fill(0.0)
    search.counts[[N_NODES, N_ENTRIES, FRAME]] = 1
    search.entries[0], search.blanks[0], search.repeats[0] = 0, 1.0, 0.0


def grown(search: Search) -> Search:
    """The same search with room for twice as many prefixes."""
    by_node = ("nodes", "factors", "spellings", "alternatives", "parts")
    return search._replace(
        **{name: np.concatenate([getattr(search, name), np.ones_like(getattr(search, name))]) for name in by_node}
    )


@compiled
def advance_plain(search: Search, limits: Limits, probabilities: NDArray[np.float64], first: int) -> int:
    """Takes the frames from `first` on, (T, S) probabilities; returns the first one not taken for want of room."""
    # Steps that are taken in every frame are handed the few arrays they need: counting all that use twenty costs more
    # than the steps themselves.
    stayed_blanks, stayed_repeats, masses = search.stayed_blanks, search.stayed_repeats, search.candidate_masses
    symbols, scratch, counts, values = search.symbols, search.scratch, search.counts, search.values
    capacity = search.nodes.shape[0]
    for step in range(first, probabilities.shape[0]):
        if counts[N_NODES] + limits.beam > capacity:
            return int(step)
        frame = probabilities[step]
        likely(symbols, counts, frame, limits.least_probability)
        stay(search, limits, frame)
        if counts[N_SYMBOLS]:
            extend(search, limits, frame)
        choose(stayed_blanks, stayed_repeats, masses, scratch, counts, values, limits)
        commit(search)
    return int(probabilities.shape[0])


@inlined
def likely(symbols: NDArray[np.int32], counts: NDArray[np.int64], frame: NDArray[np.float64], least: float) -> None:
    """Lists the symbols that may extend in this frame: those above the cut, and the best one."""
    count = 0
    for symbol in range(1, frame.shape[0]):
        # Written in any case, counted only if likely: cheaper than a branch that is hard to foresee.
        symbols[count] = symbol
        count += int(frame[symbol] > least)
    if count == 0 and frame[BLANK] < least:  # nothing might survive the frame
        best = BLANK
        for symbol in range(1, frame.shape[0]):
            if frame[symbol] > frame[best]:
                best = symbol
        symbols[0] = best
        count = int(best != BLANK)
    counts[N_SYMBOLS] = count
    counts[N_CANDIDATES] = 0


@inlined
def stay(search: Search, limits: Limits, frame: NDArray[np.float64]) -> None:
    """Every entry takes a blank or its last label again, and what comes from its parent if that is an entry too."""
    nodes, entries, blanks, repeats = search.nodes, search.entries, search.blanks, search.repeats
    n, now, space = search.counts[N_ENTRIES], search.counts[FRAME], limits.space
    best, worst = 0.0, np.inf
    for i in range(n):
        node = entries[i]
        blank, repeat = blanks[i], repeats[i]
        kept = (blank + repeat) * frame[BLANK]
        parent, label = nodes[node, PARENT], nodes[node, LABEL]
        if label >= 0:
            if label == space:
                repeat += blank
            slot = nodes[parent, SLOT] if parent >= 0 else n
            if slot < n and entries[slot] == parent:
                before = blanks[slot]
                if nodes[parent, LABEL] != label:
                    before += repeats[slot]
                repeat += before * search.factors[node]
                search.taken[slot, label] = now
            repeat *= frame[label]
        search.stayed_blanks[i] = kept
        search.stayed_repeats[i] = repeat
        best = max(best, kept + repeat)
        worst = min(worst, kept + repeat)
    search.values[BEST] = best
    # With a full beam, nothing worse than the worst stayer can get in.
    search.values[FLOOR] = max(best * limits.least_part, worst if n == limits.beam else 0.0)


@inlined
def extend(search: Search, limits: Limits, frame: NDArray[np.float64]) -> None:
    """Offers each entry with each likely symbol, unless that is an entry already."""
    now, count = search.counts[FRAME], search.counts[N_SYMBOLS]
    symbols, taken = search.symbols, search.taken
    highest = 0.0
    for j in range(count):
        highest = max(highest, frame[symbols[j]])
    floor, place, room = search.values[FLOOR], 0, search.candidate_masses.shape[0]
    masses, candidates = search.candidate_masses, search.candidates
    for i in range(search.counts[N_ENTRIES]):
        blank = search.blanks[i]
        both = blank + search.repeats[i]
        if both * highest <= floor:
            continue
        if place + count > room:
            place, bound = thin_out(masses, search.candidate_factors, candidates, search.scratch, place, limits.beam)
            floor = max(floor, bound)
        last = search.nodes[search.entries[i], LABEL]
        for j in range(count):
            symbol = symbols[j]
            mass = (blank if symbol == last else both) * frame[symbol]
            # Written in any case, counted only if good: cheaper than a branch that is hard to foresee.
            masses[place] = mass
            candidates[place, 0] = i
            candidates[place, 1] = symbol
            candidates[place, 2] = NO_WORD
            place += int((mass > floor) & (taken[i, symbol] != now))
    search.counts[N_CANDIDATES] = place


@inlined
def choose(
    blanks: NDArray[np.float64],
    repeats: NDArray[np.float64],
    masses: NDArray[np.float64],
    scratch: NDArray[np.float64],
    counts: NDArray[np.int64],
    values: NDArray[np.float64],
    limits: Limits,
) -> None:
    """Finds the mass that an entry (stayed) or extension must pass to stay in the beam, and how many may equal it."""
    n, offered, best = counts[N_ENTRIES], counts[N_CANDIDATES], values[BEST]
    for place in range(offered):
        best = max(best, masses[place])
    bound, ties, count = best * limits.least_part, 0, 0
    if n + offered > limits.beam:
        for i in range(n):
            mass = blanks[i] + repeats[i]
            scratch[count] = mass
            count += int(mass > bound)
        for place in range(offered):
            scratch[count] = masses[place]
            count += int(masses[place] > bound)
    if count > limits.beam:
        bound = largest(scratch, count, limits.beam)
        ties = limits.beam
        # The larger ones now stand before the rest.
        for place in range(limits.beam):
            ties -= int(scratch[place] > bound)
    values[BEST] = best
    values[FLOOR] = bound
    counts[N_TIES] = ties


@inlined
def commit(search: Search) -> int:
    """Makes what was chosen the entries of the next frame; returns the first new node."""
    nodes, entries, following = search.nodes, search.entries, search.next_entries
    factors, steps = search.factors, search.candidates
    bound, ties, first_new = search.values[FLOOR], search.counts[N_TIES], search.counts[N_NODES]
    count, lift = 0, 1.0
    while 0.0 < search.values[BEST] * lift < 2.0**-LIFT:
        lift *= 2.0**LIFT
        search.values[LOG_SCALE] -= LIFT * math.log(2.0)
    for i in range(search.counts[N_ENTRIES]):
        mass = search.stayed_blanks[i] + search.stayed_repeats[i]
        if mass > bound or (mass == bound and ties > 0):
            ties -= int(mass == bound)
            following[count] = entries[i]
            search.blanks[count] = search.stayed_blanks[i] * lift
            search.repeats[count] = search.stayed_repeats[i] * lift
            count += 1
    for place in range(search.counts[N_CANDIDATES]):
        mass = search.candidate_masses[place]
        if mass > bound or (mass == bound and ties > 0):
            ties -= int(mass == bound)
            node = descend(nodes, search.counts, entries[steps[place, 0]], steps, place)
            if node >= first_new:
                factors[node] = search.candidate_factors[place]
            following[count] = node
            search.blanks[count] = 0.0
            search.repeats[count] = mass * lift
            count += 1
    for i in range(count):
        entries[i] = following[i]
        nodes[following[i], SLOT] = i
    search.counts[N_ENTRIES] = count
    search.counts[FRAME] += 1
    return int(first_new)


@inlined
def descend(
    nodes: NDArray[np.int32], counts: NDArray[np.int64], parent: int, steps: NDArray[np.int32], place: int
) -> int:
    """The node below `parent` of the extension at a place of `Search.candidates`: the one that exists, else a new one."""
    label, word = steps[place, 1], steps[place, 2]
    node = nodes[parent, CHILD]
    while node >= 0:
        if nodes[node, LABEL] == label and nodes[node, WORD] == word:
            return int(node)
        node = nodes[node, SIBLING]
    node = counts[N_NODES]
    counts[N_NODES] = node + 1
    nodes[node, PARENT] = parent
    nodes[node, LABEL] = label
    nodes[node, CHILD] = -1
    nodes[node, SIBLING] = nodes[parent, CHILD]
    nodes[node, SLOT] = 0
    nodes[node, WORD] = word
    nodes[node, ALTERNATIVE] = -1
    nodes[node, LEXICON] = steps[place, 3]
    nodes[parent, CHILD] = node
    return int(node)
