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


def count(ids: NDArray[np.int32], vocabulary: int, order: int, progress: Iterable[int] | None = None) -> list[Counted]:
    """All n-grams of order 1 to `order` of an encoded text with their counts; none reaches over a sentence's end.

    Takes about 35 bytes a word of the text and 17 a distinct n-gram. `progress` is what the orders from 2 up are
    drawn from, for a bar.
    """
    nothing = np.zeros(vocabulary, np.int32)
    words = np.arange(vocabulary, dtype=np.int32)
    levels = [Counted(nothing, words, np.bincount(ids, minlength=vocabulary).astype(np.int32), nothing, words == BEGIN)]
    # Place of the n-gram that begins at each position of the text, -1 where none does.
    places = ids.copy()
    for length in progress or range(2, order + 1):
        whole = max(0, len(ids) - length + 1)
        starts = np.flatnonzero((places[:whole] >= 0) & (ids[length - 2 : length - 2 + whole] != END))
        keys = places[starts].astype(np.int64) * vocabulary + ids[starts + length - 1]
        sorting = np.argsort(keys)
        keys = keys[sorting]
        firsts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else starts
        distinct = keys[firsts]
        del keys
        suffixes = places[starts[sorting[firsts]] + 1]
        counts = np.diff(np.append(firsts, len(starts))).astype(np.int32)
        if length < order:
            places.fill(-1)
            places[starts[sorting]] = np.repeat(np.arange(len(firsts), dtype=np.int32), counts)
        del starts, sorting
        parents = (distinct // vocabulary).astype(np.int32)
        levels.append(
            Counted(parents, (distinct % vocabulary).astype(np.int32), counts, suffixes, levels[-1].begins[parents])
        )
    return levels
