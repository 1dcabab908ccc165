"""An n-gram language model in memory: vocabulary, tables, scores of sentences."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recog.errors import LanguageModelError
from recog.lm.lookup import BEGIN, END, ROOT, UNKNOWN, Tables, score_words

Unit = Literal["word", "character"]
# The first words of every vocabulary, in the order of their ids.
SPECIAL = ("<unk>", "<s>", "</s>")
HIGHEST_ORDER = 6


@dataclass(frozen=True)
class Perplexity:
    """How well a model foretells a text. Counts first; `</s>` is a word to be foretold, `<s>` is not."""

    # Natural log of the probability of all words, unknown ones and </s> included.
    log_prob: float
    # The part of it that falls to unknown words.
    unknown_log_prob: float
    words: int
    unknown: int
    sentences: int

    @property
    def value(self) -> float:
        """Perplexity per word and </s>, an unknown word counted at the price of <unk>."""
        return math.exp(-self.log_prob / (self.words + self.sentences))

    @property
    def known(self) -> float:
        """Perplexity per known word and </s>: unknown words are left out, as is the custom."""
        return math.exp(-(self.log_prob - self.unknown_log_prob) / (self.words - self.unknown + self.sentences))

    @property
    def unknown_rate(self) -> float:
        """Part of the words that the vocabulary lacks."""
        return self.unknown / max(1, self.words)


@dataclass(frozen=True, eq=False)
class NgramModel:
    """A back-off model of order 1 to 6 over words or characters; see `recog.lm` for how a decoder uses it."""

    # Word of each id; begins with SPECIAL. The space of a character model is " ".
    words: tuple[str, ...]
    tables: Tables
    unit: Unit = "word"
    # Name of the text rule (recog.text) that its training text went through.
    text_rule: str = "raw"

    def __post_init__(self) -> None:
        if self.words[:3] != SPECIAL or len(self.words) != self.tables.bounds[1] - 1:
            raise LanguageModelError(
                f"a vocabulary begins with {' '.join(SPECIAL)} and has one word for each of the "
                f"{self.tables.bounds[1] - 1} 1-grams; this one has {len(self.words)} and begins with {self.words[:3]}"
            )

    @property
    def order(self) -> int:
        """Most words that an n-gram has."""
        return len(self.tables.bounds) - 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many n-grams there are of each order."""
        return tuple(int(size) for size in np.diff(self.tables.bounds))

    @property
    def begin(self) -> int:
        """The state at the beginning of a sentence, after <s>."""
        children, weights = self.tables.children, self.tables.back_off_codes
        node = 1 + BEGIN
        alone = self.order == 1 or (children[node + 1] == children[node] and weights[node] == 0)
        return ROOT if alone else node

    @cached_property
    def ids(self) -> dict[str, int]:
        """Id of each word."""
        return {word: place for place, word in enumerate(self.words)}

    def id(self, word: str) -> int:
        """Id of a word, UNKNOWN where the vocabulary lacks it."""
        return self.ids.get(word, UNKNOWN)

    @cached_property
    def unigrams(self) -> NDArray[np.float32]:
        """(V,) natural log of each word's probability without any context."""
        end = len(self.words) + 1
        values: NDArray[np.float32] = self.tables.log_prob_values[self.tables.log_prob_codes[1:end]]
        return values

    def split(self, text: str) -> list[str]:
        """The units of a text that went through the text rule: words between spaces, or characters."""
        return list(text) if self.unit == "character" else text.split()

    def score(self, words: Sequence[str], begin: bool = True, end: bool = True) -> NDArray[np.float64]:
        """Natural log of each word after those before it, and of </s> as the last entry when `end`.

        With `begin` the words follow <s>, otherwise nothing is known before them.
        """
        ids = np.array([self.id(word) for word in words] + [END] * end, np.int64)
        scores = np.zeros(len(ids))
        score_words(self.tables, self.begin if begin else ROOT, ids, scores)
        return scores

    def perplexity(self, sentences: Iterable[str]) -> Perplexity:
        """How well it foretells these sentences, which went through its text rule."""
        total, lost, words, unknown, count = 0.0, 0.0, 0, 0, 0
        for sentence in sentences:
            units = self.split(sentence)
            scores = self.score(units)
            out = np.array([unit not in self.ids for unit in units] + [False])
            total, lost = total + float(scores.sum()), lost + float(scores[out].sum())
            words, unknown, count = words + len(units), unknown + int(out.sum()), count + 1
        if not count:
            raise LanguageModelError("the text to be scored holds no sentence")
        return Perplexity(total, lost, words, unknown, count)
