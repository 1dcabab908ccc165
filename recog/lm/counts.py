"""Text -> numbered words -> how often each n-gram occurs, order by order, as a trie."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count as counter

import numpy as np
from numpy.typing import NDArray

from recog.errors import LanguageModelError
from recog.lm.lookup import BEGIN, END, UNKNOWN
from recog.lm.ngram import SPECIAL, Unit

# Of a text, so many words are sorted together; more would take more memory and no less time.
POSITIONS_AT_ONCE = 1 << 25


@dataclass(frozen=True)
class Encoded:
    """Texts as numbers: every sentence is <s>, its words, </s>."""

    # Word of each id: SPECIAL, then from the most to the least frequent.
    words: tuple[str, ...]
    texts: tuple[NDArray[np.int32], ...]


@dataclass(frozen=True)
class Counted:
    """The n-grams of one order, sorted by (parent, word)."""

    # Place of the first n - 1 words in the order before, and the last word.
    parents: NDArray[np.int32]
    words: NDArray[np.int32]
    # How often each occurs.
    counts: NDArray[np.int32]
    # Place of the last n - 1 words in the order before.
    suffixes: NDArray[np.int32]
    # Whether it begins with <s>.
    begins: NDArray[np.bool_]


def encode(texts: Sequence[Iterable[str]], unit: Unit, vocabulary_size: int = 0, rare: int = 1) -> Encoded:
    """Numbers the words (or characters) of sentences that went through their text rule; one vocabulary for all texts.

    Words beyond the `vocabulary_size` most frequent ones (0: no limit) and words seen fewer than `rare` times become
    <unk>, which is then counted like a word; so do words of the text that are spelled <unk>, <s> or </s>. What ranks a
    word is the sum of its relative frequencies, so that a small text has as much to say as a large one; equals
    rank in the order of their first appearance.
    """
    next_id = counter(len(SPECIAL))
    seen: defaultdict[str, int] = defaultdict(next_id.__next__)
    seen.update(dict.fromkeys(SPECIAL, UNKNOWN))
    numbered = seen.__getitem__
    met: list[NDArray[np.int32]] = []
    for sentences in texts:
        ids = array("i")
        for sentence in sentences:
            units: Iterable[str] = sentence if unit == "character" else sentence.split()
            if sentence:
                ids.append(BEGIN)
                ids.extend(map(numbered, units))
                ids.append(END)
        if not ids:
            raise LanguageModelError("the text holds no sentence after its text rule; nothing can be learned from it")
        met.append(np.frombuffer(ids, np.int32))
    names = np.array([*SPECIAL, *(word for word in seen if word not in SPECIAL)], dtype=object)
    counts = np.stack([np.bincount(text, minlength=len(names)) for text in met])
    counts[:, : len(SPECIAL)] = 0
    frequency = (counts / np.array([[len(text)] for text in met])).sum(axis=0)
    ranked = np.argsort(-frequency, kind="stable")[: len(names) - len(SPECIAL)]
    kept = ranked[counts.sum(axis=0)[ranked] >= max(1, rare)][: vocabulary_size or None]
    renumbered = np.full(len(names), UNKNOWN, np.int32)
    renumbered[: len(SPECIAL)] = np.arange(len(SPECIAL))
    renumbered[kept] = np.arange(len(kept)) + len(SPECIAL)
    return Encoded((*SPECIAL, *names[kept]), tuple(renumbered[text] for text in met))


def count(
    ids: NDArray[np.int32],
    vocabulary: int,
    order: int,
    progress: Iterable[int] | None = None,
    chunk: int = POSITIONS_AT_ONCE,
) -> list[Counted]:
    """All n-grams of order 1 to `order` of an encoded text with their counts; none reaches over a sentence's end.

    Takes 12 bytes a word of the text, 30 for each of `chunk` positions that are looked at together, and 30 a distinct
    n-gram; for two thirds of them while the highest order is counted. `progress` is what the orders from 2 up are drawn
    from, for a bar.
    """
    nothing = np.zeros(vocabulary, np.int32)
    words = np.arange(vocabulary, dtype=np.int32)
    levels = [Counted(nothing, words, np.bincount(ids, minlength=vocabulary).astype(np.int32), nothing, words == BEGIN)]
    # Place of the n-gram that begins at each position of the text, -1 where none does.
    places = ids
    for length in progress or range(2, order + 1):
        chunks = range(0, max(0, len(ids) - length + 1), chunk)
        distinct, counts = np.zeros(0, np.int64), np.zeros(0, np.int32)
        for first in chunks:
            distinct, counts = _merged(
                distinct, counts, *_distinct(_keys(ids, places, vocabulary, length, first, chunk)[1])
            )
        suffixes = np.zeros(len(distinct), np.int32)
        longer = np.full(len(ids) if length < order else 0, -1, np.int32)
        for first in chunks:
            starts, keys = _keys(ids, places, vocabulary, length, first, chunk)
            sorting = np.argsort(keys)
            starts = starts[sorting]
            # Sorted, so that the search walks through memory instead of leaping.
            found = np.searchsorted(distinct, keys[sorting])
            suffixes[found] = places[starts + 1]
            if length < order:
                longer[starts] = found
        places = longer
        parents = (distinct // vocabulary).astype(np.int32)
        last_words = (distinct % vocabulary).astype(np.int32)
        del distinct
        levels.append(Counted(parents, last_words, counts, suffixes, levels[-1].begins[parents]))
    return levels


def _keys(
    ids: NDArray[np.int32], places: NDArray[np.int32], vocabulary: int, length: int, first: int, chunk: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions from `first` on where an n-gram of this length begins, and its key: place of its beginning, last word."""
    end = min(first + chunk, len(ids) - length + 1)
    whole = (places[first:end] >= 0) & (ids[first + length - 2 : end + length - 2] != END)
    starts = first + np.flatnonzero(whole)
    return starts, places[starts].astype(np.int64) * vocabulary + ids[starts + length - 1]


def _distinct(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Each key once, sorted, and how often it came; sorts `keys` in place."""
    keys.sort()
    firsts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else np.zeros(0, np.int64)
    return keys[firsts], np.diff(np.append(firsts, len(keys))).astype(np.int32)


def _merged(
    keys: NDArray[np.int64], counts: NDArray[np.int32], more: NDArray[np.int64], more_counts: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Two sorted lists of distinct keys as one, counts added up."""
    if not len(keys):
        return more, more_counts
    place = np.searchsorted(keys, more)
    known = keys[np.minimum(place, len(keys) - 1)] == more
    counts[place[known]] += more_counts[known]
    new = place[~known]
    return np.insert(keys, new, more[~known]), np.insert(counts, new, more_counts[~known])
