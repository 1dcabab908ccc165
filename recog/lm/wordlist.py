"""A user's own list of words, one a line, perhaps each with a count or weight: the decoder's lexicon.

whale<tab>120
Thornbury
"""

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.errors import LanguageModelError
from recog.lm.lexicon import Lexicon
from recog.lm.ngram import SPECIAL, NgramModel
from recog.lm.quantise import quantise
from recog.lm.streams import reading, writing
from recog.lm.trie import Level, tables

# Natural log of the probability that <s>, which is never foretold, has by custom.
_NEVER = -99.0 * math.log(10)


@dataclass(frozen=True, eq=False)
class WordList:
    """Distinct words; a word that came several times has the sum of its weights."""

    words: tuple[str, ...]
    # (W,) above 0; None where no line had one.
    weights: NDArray[np.float64] | None = None
    # Lines of which the text rule drops letters or leaves nothing, and names that language models keep for themselves.
    left_out: tuple[str, ...] = ()
    _lexicons: dict[tuple[str, ...], Lexicon] = field(default_factory=dict, repr=False)

    def lexicon(self, symbols: Sequence[str]) -> Lexicon:
        """The words spelled in a recogniser's symbols; built once. Refuses a list of which no word can be spelled."""
        key = tuple(symbols)
        if key not in self._lexicons:
            self._lexicons[key] = Lexicon.of_characters(self.words, key)
        return self._lexicons[key]

    @cached_property
    def model(self) -> NgramModel | None:
        """A word's weight among all weights as its probability, whatever comes before; None without weights.

        Unknown words and the end of a sentence are as likely as the rarest word.
        """
        if self.weights is None:
            return None
        least = float(self.weights.min())
        weights = np.concatenate(([least, 1.0, least], self.weights))  # <unk>, <s>, </s>, words
        log_probs = np.log(weights) - math.log(float(self.weights.sum()) + 2 * least)
        log_probs[1] = _NEVER
        count = len(weights)
        level = Level(np.zeros(count, np.int64), np.arange(count), log_probs.astype(np.float32))
        return NgramModel((*SPECIAL, *self.words), quantise(tables([level])))

    def spellable(self, symbols: Sequence[str]) -> "WordList":
        """The part of the list that can be spelled; the rest is added to what is left out."""
        lexicon = self.lexicon(symbols)
        numbers = {word: number for number, word in enumerate(self.words)}
        places = [numbers[word] for word in lexicon.words]
        weights = self.weights[places] if self.weights is not None else None
        return WordList(lexicon.words, weights, self.left_out + lexicon.left_out)


def read(path: str | Path, rule: Callable[[str], str] | None = None) -> WordList:
    """The list of a file, packed (.gz, .xz) or not; empty lines mean nothing.

    `rule` is the text rule that the recogniser's texts went through. A line that holds several words, or becomes several
    by the rule, gives each of them; one that loses letters or figures by the rule is left out. A line without a weight counts as 1. Refuses, with the line's number: text that is
    not UTF-8, a second tab, weights that are not numbers above 0; and a list without words.
    """
    with reading(path) as source:
        content = source.stream.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise LanguageModelError(f"line {number} of {path} is not UTF-8; convert the file") from error
    numbers: dict[str, int] = {}
    weights = array("d")
    weighted, left_out = False, []
    for number, line in enumerate(text.split("\n"), 1):
        written, tab, told = line.partition("\t")
        weight = 1.0
        if tab:
            weight, weighted = _weight(told, number, path), True
        ruled = rule(written) if rule else written
        words = ruled.split()
        # "étude" is not "tude": a rule that drops letters or figures leaves another word.
        if (not words and written.strip()) or (ruled is not written and _signs(ruled) < _signs(written)):
            left_out.append(written.strip())
            continue
        for word in words:
            place = numbers.setdefault(word, len(weights))
            if place == len(weights):
                weights.append(weight)
            else:
                weights[place] += weight
    distinct, sums = list(numbers), np.array(weights)
    kept = np.array([word not in SPECIAL for word in distinct], bool)
    if not kept.any():
        lost = f"; not even {left_out[0]!r} outlasts the text rule" if left_out else ""
        raise LanguageModelError(
            f"{path} holds no word; expected one a line, perhaps with a tab and a count after it{lost}"
        )
    left_out += [word for word, good in zip(distinct, kept, strict=True) if not good]
    words_kept = tuple(word for word, good in zip(distinct, kept, strict=True) if good)
    return WordList(words_kept, sums[kept] if weighted else None, tuple(left_out))


def _signs(text: str) -> int:
    """How many letters and figures there are."""
    return sum(map(str.isalnum, text))


def _weight(told: str, number: int, path: str | Path) -> float:
    try:
        weight = float(told)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise LanguageModelError(
            f"line {number} of {path} has {told.strip()[:40]!r} after the tab; expected a count or weight above 0"
        )
    return weight


def write(path: str | Path, word_list: WordList) -> None:
    """Writes the list, whole or not at all; `read` gives it back."""
    with writing(path) as stream:
        if word_list.weights is None:
            stream.write("".join(f"{word}\n" for word in word_list.words).encode())
        else:
            rows = zip(word_list.words, word_list.weights.tolist(), strict=True)
            stream.write("".join(f"{word}\t{weight!r}\n" for word, weight in rows).encode())
