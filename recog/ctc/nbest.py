"""A finished beam -> its best texts, and how sure each word of them is.

Merging left a lattice: where two prefixes had the same future, one gave way to the other. A text is an entry's path
from the root; exchanging the beginning of a path for one that gave way to it gives another text, whose mass is the
same part of the first one's (the n best are found in order, as by Huang & Chiang 2005, algorithm 3).
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.ctc.search import ALTERNATIVE, LABEL, LOG_SCALE, N_ENTRIES, PARENT, WORD, Search


@dataclass(frozen=True)
class Path:
    """One text: its nodes from below the root on, the entry that it ends as, its mass over the best one's (log)."""

    nodes: tuple[int, ...]
    entry: int
    log_share: float


def best_paths(search: Search, masses: NDArray[np.float64]) -> Iterator[Path]:
    """All paths over entries of these final masses, best first."""
    order = np.argsort(-masses, kind="stable")
    with np.errstate(divide="ignore"):
        shares = np.log(masses[order]) - np.log(masses[order[0]])
    # (minus log share, order of arrival, node to trace from, nodes after it, entry)
    heap: list[tuple[float, int, int, tuple[int, ...], int]] = [
        (-share, place, int(search.entries[entry]), (), entry)
        for place, (share, entry) in enumerate(zip(shares.tolist(), order.tolist(), strict=True))
        if share > -np.inf
    ]
    arrived = len(heap)
    while heap:
        cost, _, node, after, entry = heapq.heappop(heap)
        before = trace(search, node)
        yield Path(before + after, entry, -cost)
        for place in range(len(before) - 1, -1, -1):
            at = int(search.nodes[before[place], ALTERNATIVE])
            while at >= 0:
                other, next_one = search.alternatives[at].tolist()
                rest = before[place + 1 :] + after
                heapq.heappush(heap, (cost - float(np.log(search.parts[at])), arrived, other, rest, entry))
                arrived, at = arrived + 1, next_one


def best_path(search: Search, masses: NDArray[np.float64]) -> Path:
    """The first of `best_paths`."""
    entry = int(masses.argmax())
    return Path(trace(search, int(search.entries[entry])), entry, 0.0)


def lost(search: Search) -> float:
    """What the alignments in the beam together lack of the network's probability, 0 to 1; models have no say in it."""
    entries = range(int(search.counts[N_ENTRIES]))
    kept = 0.0
    for entry in entries:
        mass = float(search.blanks[entry] + search.repeats[entry])
        if mass > 0.0:
            models = np.log(search.factors[list(trace(search, int(search.entries[entry])))]).sum()
            kept += float(np.exp(np.log(mass) + search.values[LOG_SCALE] - models))
    return min(1.0, max(0.0, 1.0 - kept))


def trace(search: Search, node: int) -> tuple[int, ...]:
    """The nodes from below the root to this one."""
    path = np.empty(1024, np.int32)
    while (length := walk(search.nodes, node, path)) > len(path):
        path = np.empty(length, np.int32)
    return tuple(path[:length][::-1].tolist())


@compiled
def walk(nodes: NDArray[np.int32], node: int, path: NDArray[np.int32]) -> int:
    """Writes the nodes from `node` up to below the root, as many as there is room for; returns how many there are."""
    count = 0
    while node > 0:
        if count < path.shape[0]:
            path[count] = node
        count += 1
        node = nodes[node, PARENT]
    return count


@compiled
def doubts(
    search: Search,
    path: NDArray[np.int32],
    parts: NDArray[np.float64],
    exponent: float,
    words: NDArray[np.int32],
    confidences: NDArray[np.float64],
) -> None:
    """Fills the confidence of each word of a path; words (n, 2) are the places first..last of their labels.

    Everything that differs from the path between two places speaks against the words there: each alternative that
    gave way to one of its nodes, and each other entry at the end (`parts`: their mass over the path's, 0 for its own),
    by its part of the mass to the power of `exponent`. The confidence of a word is the product over the path's
    nodes of 1 / (1 + what speaks against it).
    """
    length = path.shape[0]
    place_of = np.full(search.nodes.shape[0], -1, np.int32)
    for place in range(length):
        place_of[path[place]] = place
    against = np.zeros(words.shape[0])
    confidences[:] = 1.0
    for place in range(length):
        at = search.nodes[path[place], ALTERNATIVE]
        if at >= 0:
            against[:] = 0.0
            while at >= 0:
                part = search.parts[at] ** exponent
                blame(search.nodes, path, place_of, place, search.alternatives[at, 0], part, words, against)
                at = search.alternatives[at, 1]
            confidences /= 1.0 + against
    against[:] = 0.0
    for i in range(search.counts[N_ENTRIES]):
        if parts[i] > 0.0:
            blame(search.nodes, path, place_of, length - 1, search.entries[i], parts[i] ** exponent, words, against)
    confidences /= 1.0 + against


@compiled
def blame(
    nodes: NDArray[np.int32],
    path: NDArray[np.int32],
    place_of: NDArray[np.int32],
    place: int,
    other: int,
    part: float,
    words: NDArray[np.int32],
    against: NDArray[np.float64],
) -> None:
    """Adds `part` to what speaks against the words in which the prefix `other` differs from the path up to `place`."""
    # Steps from the end on that are the same on both.
    last = place
    while (
        last >= 0
        and other > 0
        and place_of[other] < 0
        and nodes[other, LABEL] == nodes[path[last], LABEL]
        and nodes[other, WORD] == nodes[path[last], WORD]
    ):
        last -= 1
        other = nodes[other, PARENT]
    if last >= 0 and other > 0 and place_of[other] < 0 and nodes[other, LABEL] == nodes[path[last], LABEL]:
        # The same label that ends another word: if it is a space, the difference lies before it.
        inside = False
        for word in range(words.shape[0]):
            inside |= words[word, 0] <= last < words[word, 1]
        if not inside:
            last -= 1
    while other > 0 and place_of[other] < 0:
        other = nodes[other, PARENT]
    first = place_of[other] + 1 if other > 0 else 0
    # They differ from `first` to `last` of the path's labels; where `last` is smaller, something is missing there.
    first, last = min(first, last + 1), max(first, last + 1)
    for word in range(words.shape[0]):
        if words[word, 0] <= last and words[word, 1] >= first and (first < last or words[word, 1] > first):
            against[word] += part
