"""Pronunciations of words that no dictionary has: a joint n-gram over letters and phones (Bisani & Ney 2008).

    model = g2p.train(pronunciation.read("cmudict.dict.xz"), G2pConfig())
    g2p.save(model, "english.g2p")
    for said in g2p.load("english.g2p").pronounce("thornbury", best=3):
        print(said.probability, " ".join(said.phones))

The dictionary's entries, aligned (`graphones`), are sentences of joint tokens, and this project's n-gram trainer learns
which token follows which. A word is pronounced by the likeliest rows of tokens that spell it. The file is a language
model (`binary`) whose words are tokens: letters, a tab, phones.
"""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.errors import ConfigError, LanguageModelError
from recog.lm import binary, pronunciation
from recog.lm.graphones import Graphone, align
from recog.lm.lookup import END, Tables, advance
from recog.lm.ngram import SPECIAL, NgramModel
from recog.lm.pronunciation import Pronunciations
from recog.lm.train import NgramConfig
from recog.lm.train import train as train_ngrams

# What stands in the file where other language models name their text rule.
_KIND = "graphones"


@dataclass(frozen=True)
class G2pConfig:
    """How a model of pronunciations is trained, and how it is searched."""

    # Tokens in the longest n-gram, 1 to 6.
    order: int = 6
    # Rounds of alignment.
    rounds: int = 12
    # n-grams are dropped, those that matter least first, until so many are left; 0: none.
    most: int = 0

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.most < 0:
            raise ConfigError(
                f"rounds {self.rounds} and most {self.most} of a pronunciation model; rounds are 1 or more, most 0 or more"
            )


@dataclass(frozen=True)
class Pronunciation:
    """One way of saying a word."""

    phones: tuple[str, ...]
    # Among all the ways that the search has kept; they sum to 1.
    probability: float


@dataclass(frozen=True, eq=False)
class G2P:
    """A model that says words."""

    ngrams: NgramModel

    @cached_property
    def graphones(self) -> tuple[Graphone, ...]:
        """The token of each word of the n-gram model after <unk>, <s> and </s>."""
        parted = [word.partition("\t") for word in self.ngrams.words[len(SPECIAL) :]]
        return tuple(Graphone(letters, tuple(phones.split())) for letters, _, phones in parted)

    @cached_property
    def tokens(self) -> dict[str, NDArray[np.int64]]:
        """Ids of the tokens that begin with these letters and end there."""
        found: dict[str, list[int]] = {}
        for number, graphone in enumerate(self.graphones, len(SPECIAL)):
            found.setdefault(graphone.letters, []).append(number)
        return {letters: np.array(numbers) for letters, numbers in found.items()}

    @cached_property
    def letters(self) -> frozenset[str]:
        """Letters that some token holds."""
        return frozenset("".join(self.tokens))

    @property
    def phones(self) -> tuple[str, ...]:
        """All phones that it can say, sorted."""
        return tuple(sorted({phone for graphone in self.graphones for phone in graphone.phones}))

    def pronounce(self, word: str, best: int = 1, beam: int = 50, width: float = 10.0) -> list[Pronunciation]:
        """The `best` likeliest ways of saying a word, likeliest first; fewer where fewer are found.

        Looks on after each letter from the `beam` best rows of tokens so far, unless they are `width` nats below the
        best. Letters that the dictionary lacked are read as their lower or upper case, or without their accents;
        a word with any other letter, or that cannot be said at all, is refused.
        """
        if best < 1 or beam < 1 or not width > 0:
            raise ConfigError(f"best {best}, beam {beam}, width {width} of a pronunciation; all must be above 0")
        rows = self._search(self._known(word), beam, width)
        ways: dict[tuple[str, ...], float] = {}
        for score, row in rows:
            phones = tuple(phone for token in row for phone in self.graphones[token - len(SPECIAL)].phones)
            if phones:
                ways[phones] = float(np.logaddexp(ways.get(phones, -math.inf), score))
        if not ways:
            raise LanguageModelError(
                f"no way of saying {word!r} was found in this pronunciation model; add the word to the dictionary"
            )
        total = np.logaddexp.reduce(list(ways.values()))
        ranked = sorted(ways.items(), key=lambda way: -way[1])[:best]
        return [Pronunciation(phones, float(np.exp(score - total))) for phones, score in ranked]

    def _known(self, word: str) -> str:
        """The word in letters of the model."""
        bare = "".join(sign for sign in unicodedata.normalize("NFKD", word) if not unicodedata.combining(sign))
        for form in (word, word.lower(), word.upper(), bare, bare.lower(), bare.upper()):
            if form and self.letters.issuperset(form):
                return form
        strange = sorted(set(bare.lower()) - self.letters)
        raise LanguageModelError(
            f"the word {word!r} holds {strange[0]!r}, which no word of the dictionary holds that this pronunciation "
            "model was trained on; spell it otherwise, or add it to the dictionary with its phones"
            if strange
            else "a word without letters has no pronunciation; leave out the empty word"
        )

    def _search(self, word: str, beam: int, width: float) -> list[tuple[float, list[int]]]:
        """The rows of tokens that spell a word, with the natural log of their probability, none twice."""
        nobody = np.zeros(0, np.int64)
        # After each letter: score, state and last token of every row kept, and which row of which place it goes on from.
        places = [_Rows(np.zeros(0), nobody, nobody, nobody, nobody) for _ in range(len(word) + 1)]
        places[0] = _Rows(np.zeros(1), np.array([self.ngrams.begin]), nobody, nobody, nobody)
        for place in range(len(word)):
            places[place] = rows = places[place].best(beam, width)
            for length in (1, 2):
                tokens = self.tokens.get(word[place : place + length])
                if tokens is None or place + length > len(word) or not len(rows.scores):
                    continue
                shape = (len(rows.scores), len(tokens))
                scores, states = np.zeros(shape), np.zeros(shape, np.int64)
                _extend(self.ngrams.tables, rows.states, rows.scores, tokens, scores, states)
                parents = np.repeat(np.arange(shape[0]), shape[1])
                longer = _Rows(
                    scores.ravel(),
                    states.ravel(),
                    np.tile(tokens, shape[0]),
                    np.full(len(parents), place),
                    parents,
                )
                places[place + length] = places[place + length].joined(longer.best(beam, width))
        last = places[-1]
        scores, states = np.zeros((len(last.scores), 1)), np.zeros((len(last.scores), 1), np.int64)
        _extend(self.ngrams.tables, last.states, last.scores, np.array([END]), scores, states)
        return [(float(scores[row, 0]), _traced(places, row)) for row in range(len(scores))]


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of tokens that end after the same letter; parallel arrays."""

    scores: NDArray[np.float64]
    states: NDArray[np.int64]
    # The last token, and the place and number of the row before it.
    tokens: NDArray[np.int64]
    places: NDArray[np.int64]
    parents: NDArray[np.int64]

    def best(self, beam: int, width: float) -> "_Rows":
        """At most `beam` rows, none more than `width` below the best."""
        if len(self.scores) < 2:
            return self
        kept = np.flatnonzero(self.scores >= self.scores.max() - width)
        if len(kept) > beam:
            kept = kept[np.argpartition(-self.scores[kept], beam)[:beam]]
        return _Rows(self.scores[kept], self.states[kept], self.tokens[kept], self.places[kept], self.parents[kept])

    def joined(self, other: "_Rows") -> "_Rows":
        """The rows of both."""
        return _Rows(
            np.concatenate((self.scores, other.scores)),
            np.concatenate((self.states, other.states)),
            np.concatenate((self.tokens, other.tokens)),
            np.concatenate((self.places, other.places)),
            np.concatenate((self.parents, other.parents)),
        )


def _traced(places: Sequence[_Rows], row: int) -> list[int]:
    """The tokens of a row that ends at the last place."""
    tokens, place = [], len(places) - 1
    while place:
        rows = places[place]
        tokens.append(int(rows.tokens[row]))
        place, row = int(rows.places[row]), int(rows.parents[row])
    return tokens[::-1]


@compiled
def _extend(
    tables: Tables,
    states: NDArray[np.int64],
    before: NDArray[np.float64],
    tokens: NDArray[np.int64],
    scores: NDArray[np.float64],
    reached: NDArray[np.int64],
) -> None:
    """Fills (rows, tokens) `scores` and `reached` states with every row followed by every token."""
    for row in range(states.shape[0]):
        for place in range(tokens.shape[0]):
            log_prob, state = advance(tables, states[row], tokens[place])
            scores[row, place] = before[row] + log_prob
            reached[row, place] = state


@dataclass(frozen=True, eq=False)
class Trained:
    """A model and what the training has to tell."""

    model: G2P
    entries: int
    # Entries whose phones no letters can account for, such as abbreviations.
    left_out: tuple[tuple[str, tuple[str, ...]], ...]


def train(pronunciations: Mapping[str, Iterable[Sequence[str]]], config: G2pConfig | None = None) -> Trained:
    """A model of a dictionary's words and all their ways of being said. Shows bars."""
    config = config or G2pConfig()
    aligned = align(pronunciation.entries(pronunciations), config.rounds)
    sentences = (" ".join(map(str, row.tolist())) for row in aligned.rows)
    ngrams = train_ngrams(sentences, NgramConfig(config.order, "word", _KIND, most=config.most))
    tokens = (aligned.tokens[int(number)] for number in ngrams.words[len(SPECIAL) :])
    words = (*SPECIAL, *(f"{token.letters}\t{' '.join(token.phones)}" for token in tokens))
    return Trained(G2P(replace(ngrams, words=words)), len(aligned.rows), aligned.left_out)


def save(model: G2P, path: str | Path) -> None:
    """Writes the model, quantised to one byte a number, whole or not at all."""
    binary.save(model.ngrams, path)


def load(path: str | Path) -> G2P:
    """Maps a model into memory; refuses damaged files, and language models that are none of pronunciations."""
    ngrams = binary.load(path)
    if ngrams.text_rule != _KIND or not all(word.find("\t") > 0 for word in ngrams.words[len(SPECIAL) :]):
        raise LanguageModelError(
            f"{path} is a language model, but none of pronunciations; train one from a dictionary with train_g2p"
        )
    return G2P(ngrams)


def completed(
    pronunciations: Mapping[str, Iterable[Sequence[str]]], words: Iterable[str], model: G2P, best: int = 1
) -> Pronunciations:
    """How to say each of some words: as the dictionary has it, else the `best` ways of the model.

    A word that neither can say has no way, and so comes into `Lexicon.left_out`.
    """
    found: Pronunciations = {}
    for word in dict.fromkeys(words):
        ways = pronunciations.get(word) or pronunciations.get(word.lower())
        if ways is None:
            try:
                ways = [said.phones for said in model.pronounce(word, best)]
            except LanguageModelError:
                ways = []
        found[word] = tuple(tuple(way) for way in ways)
    return found
