"""Words and their spellings in a recogniser's symbols, as a trie of flat arrays for a decoder.

A spelling is a sequence of label numbers: characters, or phones. A word may have several spellings, a spelling may
have several words. Nodes are numbered breadth first, so the children of a node are neighbours, sorted by label.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.errors import LanguageModelError
from recog.lm.spoken import Spoken

# The node where every word begins.
ROOT = 0


class Trie(NamedTuple):
    """A trie of n nodes in which m spellings end; about 16 bytes a node."""

    # (n + 1,) the children of node i are children[i] to children[i + 1] - 1.
    children: NDArray[np.int32]
    # (n,) the label that leads to each node; the root's is -1.
    labels: NDArray[np.int32]
    # (n,) parent of each node; the root's is -1.
    parents: NDArray[np.int32]
    # (n,) labels from the root to each node.
    depths: NDArray[np.int16]
    # (n + 1,) the words that end in node i are words[word_starts[i] : word_starts[i + 1]].
    word_starts: NDArray[np.int32]
    # (m,) places in `Lexicon.words`.
    words: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The words that a decoder knows."""

    words: tuple[str, ...]
    trie: Trie
    # Words that were asked for but cannot be spelled in these symbols.
    left_out: tuple[str, ...] = ()

    @classmethod
    def of_characters(cls, words: Iterable[str], symbols: Sequence[str]) -> "Lexicon":
        """Words spelled letter by letter; symbol k (from 0) has label k + 1. The space belongs to no word."""
        distinct = list(dict.fromkeys(words))
        lengths = _lengths(distinct)
        # The label of every character at once, 0 for those without one.
        characters = np.frombuffer("".join(distinct).encode("utf-32-le", "surrogatepass"), "<u4")
        labels = {ord(symbol): number for number, symbol in enumerate(symbols, 1) if len(symbol) == 1 and symbol != " "}
        label_of = np.zeros(max(int(characters.max(initial=0)), *labels, 0) + 1, np.int32)
        label_of[list(labels)] = list(labels.values())
        flat = label_of[characters]
        strange = np.concatenate(([0], np.cumsum(flat == 0)))
        ends = np.cumsum(lengths)
        good = (strange[ends] == strange[ends - lengths]) & (lengths > 0)
        known = list(itertools.compress(distinct, good))
        left_out = list(itertools.compress(distinct, ~good))
        owners = np.arange(len(known), dtype=np.int32)
        return cls._of(known, owners, lengths[good], flat[np.repeat(good, lengths)], left_out)

    @classmethod
    def of_pronunciations(
        cls, pronunciations: Mapping[str, Iterable[Sequence[str]]], symbols: Sequence[str]
    ) -> "Lexicon":
        """Words spelled in symbols of any length, such as {"read": [("R", "EH", "D"), ("R", "IY", "D")]}."""
        if not isinstance(pronunciations, Spoken):
            listed = {
                word: list(dict.fromkeys(tuple(way) for way in ways if way)) for word, ways in pronunciations.items()
            }
            # What has no way of being said cannot be spelled in any symbols.
            found = cls.of_pronunciations(Spoken.of({word: ways for word, ways in listed.items() if ways}), symbols)
            return replace(found, left_out=(*found.left_out, *(word for word, ways in listed.items() if not ways)))
        # All ways of all words at once: a lexicon is built whenever a recogniser starts.
        labels = {symbol: number for number, symbol in enumerate(symbols, start=1)}
        label_of = np.array([labels.get(phone, 0) for phone in pronunciations.phones], np.int32)
        words, lengths = pronunciations.words, pronunciations.lengths
        owners = np.repeat(np.arange(len(words)), pronunciations.ways)
        flat = label_of[pronunciations.said]
        strange = np.concatenate(([0], np.cumsum(flat == 0)))
        ends = np.cumsum(lengths)
        good = (strange[ends] == strange[ends - lengths]) & (lengths > 0)
        spelled = np.zeros(len(words), bool)
        spelled[owners[good]] = True
        number = np.cumsum(spelled) - 1  # of each word among those that can be spelled
        return cls._of(
            list(itertools.compress(words, spelled)),
            number[owners[good]].astype(np.int32),
            lengths[good],
            flat[np.repeat(good, lengths)],
            list(itertools.compress(words, ~spelled)),
        )

    @classmethod
    def _of(
        cls,
        words: list[str],
        owners: NDArray[np.int32],
        lengths: NDArray[np.int64],
        labels: NDArray[np.int32],
        left_out: list[str],
    ) -> "Lexicon":
        if not words:
            named = f", such as {left_out[0]!r}," if left_out else ""
            raise LanguageModelError(
                f"none of the {len(left_out)} words of the lexicon{named} can be spelled in the recogniser's symbols; "
                "give a lexicon for this alphabet"
            )
        return cls(tuple(words), _built(lengths, labels, owners), tuple(left_out))

    @classmethod
    def nothing(cls) -> "Lexicon":
        """A lexicon without words, where a decoder's arrays need one."""
        return cls((), build([], np.zeros(0, np.int32)))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Place of each word in `words`."""
        return {word: number for number, word in enumerate(self.words)}

    def spelled(self, word: str) -> list[tuple[int, ...]]:
        """The spellings of a word in labels, by walking up from where it ends; empty for a word outside."""
        if word not in self.numbers:
            return []
        number, found = self.numbers[word], []
        for place in np.flatnonzero(self.trie.words == number):
            node = int(np.searchsorted(self.trie.word_starts, place, side="right")) - 1
            labels = []
            while node != ROOT:
                labels.append(int(self.trie.labels[node]))
                node = int(self.trie.parents[node])
            found.append(tuple(reversed(labels)))
        return sorted(found)


def build(spellings: Sequence[Sequence[int]], owners: NDArray[np.int32]) -> Trie:
    """The trie of some non-empty spellings; owners[i] is the number of the word that spelling i belongs to."""
    lengths = _lengths(spellings)
    labels = np.fromiter(itertools.chain.from_iterable(spellings), np.int32, int(lengths.sum()))
    return _built(lengths, labels, owners)


def _lengths(rows: Sequence[Sequence[object]]) -> NDArray[np.int64]:
    return np.fromiter(map(len, rows), np.int64, len(rows))


def _sorted(table: NDArray[np.int32], owners: NDArray[np.int32]) -> NDArray[np.int64]:
    """The order of the rows of labels, -1 after a row's end, and of their owners where rows are equal.

    A row becomes one string of bytes, which sorts ten times faster than its columns one after another.
    """
    kind = next(kind for kind in (">u1", ">u2", ">u4") if int(table.max(initial=0)) <= np.iinfo(kind).max)
    of_labels, of_owner = np.maximum(table, 0).astype(kind), owners.astype(">u4")
    rows = np.zeros(len(table), [("labels", of_labels.dtype, of_labels.shape[1:]), ("owner", of_owner.dtype)])
    rows["labels"], rows["owner"] = of_labels, of_owner
    return np.argsort(rows.view(f"S{rows.dtype.itemsize}"), kind="stable")


def _built(lengths: NDArray[np.int64], flat: NDArray[np.int32], owners: NDArray[np.int32]) -> Trie:
    """The trie of spellings given by their lengths and all their labels, which are 1 or more.

    The spellings are sorted; then each level of nodes is found at once, as the places where a prefix changes.
    """
    longest = int(lengths.max(initial=0))
    table = np.full((len(lengths), longest), -1, np.int32)
    table[np.arange(longest) < lengths[:, None]] = flat
    order = _sorted(table, owners)
    table, lengths, owners = table[order], lengths[order], owners[order]
    parents, labels, depths = [np.array([-1])], [np.array([-1])], [np.array([0])]
    at = np.zeros(len(table), np.int64)  # the node that each spelling has reached
    first = 1
    for depth in range(longest):
        rows = np.flatnonzero(lengths > depth)
        above, label = at[rows], table[rows, depth]
        fresh = np.append(True, (np.diff(above) != 0) | (np.diff(label) != 0))
        at[rows] = first + np.cumsum(fresh) - 1
        parents.append(above[fresh])
        labels.append(label[fresh])
        depths.append(np.full(int(fresh.sum()), depth + 1))
        first += int(fresh.sum())
    parent = np.concatenate(parents)
    by_node = np.argsort(at, kind="stable")
    everyone = np.arange(first + 1)
    return Trie(
        # Parents never decrease from node to node.
        children=(np.searchsorted(parent[1:], everyone) + 1).astype(np.int32),
        labels=np.concatenate(labels).astype(np.int32),
        parents=parent.astype(np.int32),
        depths=np.concatenate(depths).astype(np.int16),
        word_starts=np.searchsorted(at[by_node], everyone).astype(np.int32),
        words=owners[by_node].astype(np.int32),
    )


@compiled
def smear(parents: NDArray[np.int32], scores: NDArray[np.float64]) -> None:
    """Raises each node's score to the best one below it (look-ahead; Steinbiss, Tran & Ney 1994)."""
    for node in range(scores.shape[0] - 1, 0, -1):
        above = parents[node]
        scores[above] = max(scores[above], scores[node])


def look_ahead(trie: Trie, scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """(W,) scores of the words -> (n,) the best score of a word that can still be reached from each node."""
    best = np.full(len(trie.labels), -np.inf)
    nodes = np.repeat(np.arange(len(trie.labels)), np.diff(trie.word_starts))
    np.maximum.at(best, nodes, scores[trie.words].astype(np.float64))
    smear(trie.parents, best)
    return best
