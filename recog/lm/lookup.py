"""The n-gram trie as arrays, and the one function a decoder calls: `advance`.

Nodes are numbered in the order of a breadth-first walk: 0 is the root (the empty context), 1 + w is the word w, then
all 2-grams sorted by (parent, word), and so on. So the children of a node are neighbours, sorted by word, and a word is
found among them by bisection. An n-gram is a path read from its oldest word to its newest; a node's suffix is the
context without its oldest word, where back-off goes (Katz 1987; as the failure links of Aho and Corasick 1975).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled

# State of the empty context, and the "not found" of a search: no node has the root as its child.
ROOT = 0
# Word ids that every vocabulary begins with: <unk>, <s>, </s>.
UNKNOWN, BEGIN, END = 0, 1, 2


class Tables(NamedTuple):
    """A model of order N with n nodes, of which m are shorter than N words; all arrays are read-only."""

    # (N + 1,) first node of each order: bounds[0] = 1, bounds[1] the first 2-gram, ..., bounds[N] = n.
    bounds: NDArray[np.int64]
    # (n,) last word of each node; uint16 or uint32. words[0] means nothing.
    words: NDArray[np.unsignedinteger]
    # (m + 1,) children of node i are the nodes children[i] to children[i + 1] - 1.
    children: NDArray[np.int32]
    # One for each node of order 3 to N - 1: the longest proper suffix that can still matter.
    suffixes: NDArray[np.int32]
    # (n,) probability of each node as a place in its order's part of log_prob_values; uint8, or uint32 when exact.
    log_prob_codes: NDArray[np.unsignedinteger]
    # (m,) the same for back-off weights; code 0 always stands for 0.0.
    back_off_codes: NDArray[np.unsignedinteger]
    # Natural logs. An order's part begins at its entry of the (N,) starts.
    log_prob_values: NDArray[np.float32]
    log_prob_starts: NDArray[np.int64]
    back_off_values: NDArray[np.float32]
    back_off_starts: NDArray[np.int64]


# The functions below take just the arrays they read: handing the whole tuple on would count references to each of
# its arrays at every call, which takes longer than the search itself.


@compiled
def _level(bounds: NDArray[np.int64], node: int) -> int:
    """How many words the node's path has, less one; the root counts as 0."""
    order = 0
    while node >= bounds[order + 1]:
        order += 1
    return order


@compiled
def _child(children: NDArray[np.int32], words: NDArray[np.unsignedinteger], node: int, word: int) -> int:
    """The node of `word` after `node` (shorter than N words, not the root); ROOT where the model has none."""
    place = int(children[node])
    left = int(children[node + 1]) - place
    if left == 0:
        return ROOT
    while left > 1:
        half = left >> 1
        if words[place + half] <= word:
            place += half
        left -= half
    return place if words[place] == word else ROOT


@compiled
def _matters(children: NDArray[np.int32], back_off_codes: NDArray[np.unsignedinteger], node: int) -> bool:
    """Whether a history that ends in this node is told from a shorter one: it has children or a back-off weight."""
    if node >= back_off_codes.shape[0]:
        return False
    return bool(children[node + 1] > children[node] or back_off_codes[node] != 0)


@compiled
def _shorter(
    bounds: NDArray[np.int64],
    words: NDArray[np.unsignedinteger],
    children: NDArray[np.int32],
    suffixes: NDArray[np.int32],
    back_off_codes: NDArray[np.unsignedinteger],
    node: int,
) -> int:
    """The longest part of the context that is left when its oldest word goes, skipping those that cannot matter."""
    if node < bounds[1]:
        return ROOT
    if node < bounds[2]:
        suffix = 1 + int(words[node])
        return suffix if _matters(children, back_off_codes, suffix) else ROOT
    return int(suffixes[node - bounds[2]])


@compiled
def advance(tables: Tables, state: int, word: int) -> tuple[float, int]:
    """Natural log of P(word | state), and the state after the word. Back-off is inside.

    `word` is an id from 0 to vocabulary size - 1 and is not checked; `state` is ROOT, `NgramModel.begin`, or what this
    function returned for the same tables.
    """
    bounds, words, children, suffixes = tables.bounds, tables.words, tables.children, tables.suffixes
    back_off_codes = tables.back_off_codes
    node, found, score = int(state), ROOT, 0.0
    while node != ROOT:
        found = _child(children, words, node, word)
        if found != ROOT:
            break
        code = int(back_off_codes[node])
        if code != 0:
            score += float(tables.back_off_values[tables.back_off_starts[_level(bounds, node)] + code])
        node = _shorter(bounds, words, children, suffixes, back_off_codes, node)
    if node == ROOT:
        found = 1 + word
    code = int(tables.log_prob_codes[found])
    score += float(tables.log_prob_values[tables.log_prob_starts[_level(bounds, found)] + code])
    while found == ROOT or not _matters(children, back_off_codes, found):
        if node == ROOT:
            return score, ROOT
        node = _shorter(bounds, words, children, suffixes, back_off_codes, node)
        found = _child(children, words, node, word) if node != ROOT else 1 + word
    return score, found


@compiled
def score_words(tables: Tables, state: int, words: NDArray[np.int64], scores: NDArray[np.float64]) -> int:
    """Fills `scores` with the natural log of each word after those before it; returns the state after the last."""
    for place in range(words.shape[0]):
        scores[place], state = advance(tables, state, words[place])
    return state
