"""N-grams listed order by order -> the arrays of `lookup.Tables`: links to suffixes, code tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.lm.lookup import ROOT, Tables


@dataclass(frozen=True)
class Level:
    """All n-grams of one order, sorted by (parent, word).

    `parents` (k,) int64: place of each n-gram's first n - 1 words in the level before; all 0 in the first level.
    `words` (k,) int64: its last word; the first level lists every word of the vocabulary in order of its id.
    `log_probs` (k,) float32: natural log of the last word given those before it.
    `back_offs` (k,) float32: natural log of the weight of this n-gram as a context; None in the highest order.
    """

    parents: NDArray[np.int64]
    words: NDArray[np.int64]
    log_probs: NDArray[np.float32]
    back_offs: NDArray[np.float32] | None = None


def tables(levels: Sequence[Level]) -> Tables:
    """The searchable form of these levels, with every probability and weight kept as it is in float32."""
    sizes = [len(level.words) for level in levels]
    bounds = 1 + np.concatenate(([0], np.cumsum(sizes)))
    vocabulary = sizes[0]
    words = np.concatenate([[0], *(level.words for level in levels)])
    # Parent of every node by its number in the whole trie; words hang from the root.
    hung = [level.parents + first for level, first in zip(levels[1:], bounds, strict=False)]
    parents = np.concatenate([np.full(vocabulary + 1, ROOT), *hung])
    inner = int(bounds[-2])
    children = np.searchsorted(parents[1:], np.arange(inner + 1), side="left") + 1
    back_offs = np.concatenate([np.zeros(1, np.float32), *(_weights(level) for level in levels[:-1])])
    matters = (np.diff(children) > 0) | (back_offs != 0)
    suffixes = _suffixes(bounds, parents, words, vocabulary, matters)
    log_prob_values, log_prob_codes = _coded(np.concatenate([np.zeros(1, np.float32), *(x.log_probs for x in levels)]))
    back_off_values, back_off_codes = _coded(back_offs)
    return freeze(
        Tables(
            bounds=bounds.astype(np.int64),
            words=words.astype(np.uint16 if vocabulary <= 1 << 16 else np.uint32),
            children=children.astype(np.int32),
            suffixes=suffixes.astype(np.int32),
            log_prob_codes=log_prob_codes,
            back_off_codes=back_off_codes,
            log_prob_values=log_prob_values,
            log_prob_starts=np.zeros(len(levels), np.int64),
            back_off_values=back_off_values,
            back_off_starts=np.zeros(len(levels), np.int64),
        )
    )


def freeze(tables: Tables) -> Tables:
    """The same tables, read-only: compiled code then sees one kind of array, wherever a model came from."""
    for array in tables:
        array.setflags(write=False)
    return tables


def _weights(level: Level) -> NDArray[np.float32]:
    return np.zeros(len(level.words), np.float32) if level.back_offs is None else level.back_offs


def _suffixes(
    bounds: NDArray[np.int64],
    parents: NDArray[np.int64],
    words: NDArray[np.int64],
    vocabulary: int,
    matters: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """For the nodes of order 3 to N - 1: the longest proper suffix that matters as a context, or ROOT.

    The suffix of a node is the child of its parent's suffix by the same word. A model may lack it (SRILM's pruning
    leaves such holes); then the next shorter one is tried.
    """
    keys = parents[vocabulary + 1 :] * vocabulary + words[vocabulary + 1 :]
    # Longest suffix that exists, of every node shorter than N.
    existing = np.zeros(bounds[-2], np.int64)
    for order in range(2, len(bounds) - 1):
        first, end = bounds[order - 1], bounds[order]
        waiting = np.arange(first, end)
        context = existing[parents[first:end]]
        while len(waiting):
            word = words[waiting]
            key = context * vocabulary + word
            place = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            found = np.where(context == ROOT, 1 + word, np.where(keys[place] == key, place + vocabulary + 1, ROOT))
            existing[waiting] = found
            missing = found == ROOT
            waiting, context = waiting[missing], existing[context[missing]]
    mattering = existing.copy()
    for order in range(1, len(bounds) - 1):
        first, end = bounds[order - 1], bounds[order]
        suffix = existing[first:end]
        mattering[first:end] = np.where(matters[suffix] | (suffix == ROOT), suffix, mattering[suffix])
    return mattering[bounds[2] :] if len(bounds) > 3 else np.zeros(0, np.int64)


def _coded(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Values -> (each distinct value once, the place of every value among them); 0.0 has place 0."""
    distinct, codes = np.unique(values, return_inverse=True)
    zero = int(np.searchsorted(distinct, 0.0))
    # 0.0 is always there, as the root's; move it to the front.
    front = np.concatenate((distinct[zero : zero + 1], distinct[:zero], distinct[zero + 1 :]))
    codes = np.where(codes == zero, 0, np.where(codes < zero, codes + 1, codes))
    return front.astype(np.float32), codes.astype(np.uint32)
