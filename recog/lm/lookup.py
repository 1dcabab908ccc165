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

# State of the empty context, and the "not found" of `child`: no node has the root as its child.
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


@compiled
def level(tables: Tables, node: int) -> int:
    """How many words the node's path has, less one; the root counts as 0."""
    order = 0
    while node >= tables.bounds[order + 1]:
        order += 1
    return order


@compiled
def log_prob(tables: Tables, node: int) -> float:
    """Natural log of the node's last word given the words before it."""
    code = int(tables.log_prob_codes[node])
    return float(tables.log_prob_values[tables.log_prob_starts[level(tables, node)] + code])


@compiled
def back_off(tables: Tables, node: int) -> float:
    """Natural log of the weight that a shorter context's probability gets when this context lacks the word."""
    code = int(tables.back_off_codes[node])
    return float(tables.back_off_values[tables.back_off_starts[level(tables, node)] + code])


@compiled
def child(tables: Tables, node: int, word: int) -> int:
    """The node of `word` after `node` (shorter than N words, not the root); ROOT where the model has none."""
    low = int(tables.children[node])
    end = int(tables.children[node + 1])
    high = end
    while low < high:
        middle = (low + high) >> 1
        if tables.words[middle] < word:
            low = middle + 1
        else:
            high = middle
    if low < end and tables.words[low] == word:
        return low
    return ROOT


@compiled
def shorter(tables: Tables, node: int) -> int:
    """The longest part of the context that is left when its oldest word goes, skipping those that cannot matter."""
    first_pair = tables.bounds[1]
    if node < first_pair:
        return ROOT
    first_triple = tables.bounds[2]
    if node < first_triple:
        suffix = 1 + int(tables.words[node])
        return suffix if matters(tables, suffix) else ROOT
    return int(tables.suffixes[node - first_triple])


@compiled
def matters(tables: Tables, node: int) -> bool:
    """Whether a history that ends in this node is told from a shorter one: it has children or a back-off weight."""
    if node >= tables.back_off_codes.shape[0]:
        return False
    return bool(tables.children[node + 1] > tables.children[node] or tables.back_off_codes[node] != 0)


@compiled
def advance(tables: Tables, state: int, word: int) -> tuple[float, int]:
    """Natural log of P(word | state), and the state after the word. Back-off is inside.

    `word` is an id from 0 to vocabulary size - 1 and is not checked; `state` is ROOT, `NgramModel.begin`, or what this
    function returned for the same tables.
    """
    node = int(state)
    weight = 0.0
    found = ROOT
    while node != ROOT:
        found = child(tables, node, word)
        if found != ROOT:
            break
        weight += back_off(tables, node)
        node = shorter(tables, node)
    if node == ROOT:
        found = 1 + word
    score = weight + log_prob(tables, found)
    while found == ROOT or not matters(tables, found):
        if node == ROOT:
            return score, ROOT
        node = shorter(tables, node)
        found = child(tables, node, word) if node != ROOT else 1 + word
    return score, found


@compiled
def score_words(tables: Tables, state: int, words: NDArray[np.int64], scores: NDArray[np.float64]) -> int:
    """Fills `scores` with the natural log of each word after those before it; returns the state after the last."""
    for place in range(words.shape[0]):
        scores[place], state = advance(tables, state, words[place])
    return state
