"""A path through a finished beam -> a hypothesis: labels, words, spans, confidences, and the score taken apart."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.ctc.align import align, required_frames
from recog.ctc.fusion import finish
from recog.ctc.hypothesis import Hypothesis, Parts, Word
from recog.ctc.knowledge import Knowledge
from recog.ctc.nbest import Path, doubts
from recog.ctc.options import DecoderOptions
from recog.ctc.questions import UNKNOWN_WORD, Memory
from recog.ctc.search import LABEL, LOG_SCALE, N_ENTRIES, NO_WORD, PARENT, SLOT, WORD, Search


@dataclass(frozen=True)
class Ending:
    """Every entry with its text ended."""

    # (n,) final mass of each entry, and the factor within it that ended the text.
    masses: NDArray[np.float64]
    factors: NDArray[np.float64]
    # (n,) the word that ends with the text, NO_WORD where none was unfinished.
    words: NDArray[np.int32]
    # Natural log of the largest mass, unscaled.
    best: float


def end_texts(search: Search, knowledge: Knowledge | None, memory: Memory | None) -> Ending:
    """Ends the text after every entry of the beam, which is left as it is."""
    count = int(search.counts[N_ENTRIES])
    masses = (search.blanks + search.repeats)[:count]
    factors, words = np.ones(count), np.full(count, NO_WORD, np.int32)
    if knowledge is not None and memory is not None:
        finish(search, knowledge.fusion, memory)
        factors, words = memory.final_factors[:count].copy(), memory.final_words[:count].copy()
        masses = masses * factors
        if knowledge.fusion.kinds.has_lexicon:
            _join_trailing_spaces(search, masses, knowledge.fusion.spellings.space)
    return Ending(masses, factors, words, float(np.log(masses.max()) + search.values[LOG_SCALE]))


def _join_trailing_spaces(search: Search, masses: NDArray[np.float64], space: int) -> None:
    """Gives the mass of a text with a space at its end to the same text without one, where both are entries."""
    entries = search.entries[: len(masses)]
    for entry in np.flatnonzero(search.nodes[entries, LABEL] == space).tolist():
        parent = int(search.nodes[entries[entry], PARENT])
        slot = int(search.nodes[parent, SLOT]) if parent > 0 else len(masses)
        if slot < len(masses) and entries[slot] == parent:
            masses[slot] += masses[entry]
            masses[entry] = 0.0


@dataclass(frozen=True)
class Reader:
    """What turns label numbers into text: symbols (label k + 1 is symbols[k]), the space's label or -1, and the rest."""

    symbols: tuple[str, ...]
    space: int
    options: DecoderOptions
    knowledge: Knowledge | None

    def read(self, search: Search, path: Path, ending: Ending, log_probs: NDArray[np.float32]) -> Hypothesis | None:
        """The hypothesis of a path, whose labels are placed in the frames of `log_probs`.

        None for a path that does not fit into them: an alternative has been taken to go on as the entry did that it
        gave way to, which may have had a blank where it has none.
        """
        labels, places = self._spelled(search, path, ending)
        if required_frames(labels) > len(log_probs):
            return None
        texts = [self._text(number, labels[first:last]) for number, first, last in places]
        confidences = self._confidences(search, path, ending, places)
        words = tuple(
            Word(text, first, last, confidence, number != UNKNOWN_WORD)
            for text, (number, first, last), confidence in zip(texts, places, confidences, strict=True)
        )
        score = ending.best + path.log_share
        parts = self._parts(search, path, ending, score, texts)
        return Hypothesis(labels, align(log_probs, labels), score, words, parts)

    def text(self, search: Search, path: Path, ending: Ending) -> str:
        """Only the words of a path, parted by spaces."""
        if self.knowledge is not None and self.knowledge.fusion.kinds.has_lexicon:
            labels, places = self._spelled(search, path, ending)
            return " ".join(self._text(number, labels[first:last]) for number, first, last in places)
        letters = self._text(NO_WORD, search.nodes[np.array(path.nodes, np.int64), LABEL].tolist())
        return " ".join(filter(None, letters.split(" "))) if self.space > 0 else letters

    def _spelled(
        self, search: Search, path: Path, ending: Ending
    ) -> tuple[tuple[int, ...], list[tuple[int, int, int]]]:
        """The labels of a path, and (number, first, last) of its words; a space belongs to no word."""
        nodes = search.nodes[np.array(path.nodes, np.int64)]
        labels = tuple(nodes[:, LABEL].tolist())
        if self.knowledge is None or not self.knowledge.fusion.kinds.has_lexicon:
            return labels, [(NO_WORD, first, last) for first, last in words_at(labels, self.space)]
        words, first = [], 0
        for end in np.flatnonzero(nodes[:, WORD] != NO_WORD).tolist():
            words.append((int(nodes[end, WORD]), first, end if self.space > 0 else end + 1))
            first = end + 1
        if ending.words[path.entry] != NO_WORD:
            words.append((int(ending.words[path.entry]), first, len(labels)))
        return labels[: words[-1][2] if words else 0], words

    def _text(self, number: int, labels: Sequence[int]) -> str:
        if number >= 0 and self.knowledge is not None:
            return self.knowledge.words[number]
        return "".join([self.symbols[label - 1] for label in labels])

    def _confidences(
        self, search: Search, path: Path, ending: Ending, places: Sequence[tuple[int, int, int]]
    ) -> list[float]:
        words = np.array([(first, last) for _, first, last in places], np.int32).reshape(-1, 2)
        found = np.ones(len(words))
        parts = ending.masses / (ending.masses.max() * np.exp(path.log_share))
        parts[path.entry] = 0.0
        if len(words):
            doubts(search, np.array(path.nodes, np.int32), parts, self.options.doubt, words, found)
        return [float(value) for value in found]

    def _parts(self, search: Search, path: Path, ending: Ending, score: float, texts: Sequence[str]) -> Parts:
        if self.knowledge is None:
            return Parts(score)
        factors = search.factors[np.array(path.nodes, np.int64)]
        models = float(np.log(factors).sum() + np.log(ending.factors[path.entry]))
        kinds = self.knowledge.fusion.kinds
        length = self.options.beta * len(texts) if kinds.has_lexicon else 0.0
        length += self.knowledge.fusion.characters.bonus * len(path.nodes)
        whole_words = self.space > 0 or kinds.has_lexicon
        boost = sum(
            bonus * _occurrences(phrase.split(" "), texts)
            if whole_words
            else bonus * _occurrences(list(phrase.replace(" ", "")), list("".join(texts)))
            for phrase, bonus in self.knowledge.bonuses
        )
        return Parts(score - models, models - length - boost, length, boost)


def words_at(labels: Sequence[int], space: int) -> list[tuple[int, int]]:
    """The places first..last of the runs of labels between spaces."""
    edges = [-1, *(place for place, label in enumerate(labels) if label == space), len(labels)]
    return [(before + 1, after) for before, after in itertools.pairwise(edges) if after > before + 1]


def _occurrences(phrase: Sequence[str], words: Sequence[str]) -> int:
    """How often a phrase stands among the words, overlaps counted."""
    return sum(list(words[at : at + len(phrase)]) == list(phrase) for at in range(len(words) - len(phrase) + 1))
