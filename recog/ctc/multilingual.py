"""One decoder for each language that a text may be in: the language is found together with the text.

A model of two languages at once lets each word change between them, and reads English that the network hardly sees as
French. Whole texts compete instead: log P(text | language) of each language's own model, with what the language is favoured by
(`DecoderOptions.languages`): a network that saw little of it finds its letters less likely.
"""

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recog.ctc.decoder import Decoder
from recog.ctc.hypothesis import Hypothesis, Parts
from recog.ctc.options import DecoderOptions
from recog.errors import ConfigError

Look = NDArray[np.float32]
# What the other lines of a document may say for a language at most, in nats: a quotation in another one is still read.
MOST_SAID = 10.0
# Which languages are in question is found in a beam of this many; those so many nats behind the best are not read in full.
GLANCE, IN_QUESTION = 8, 8.0


class MultilingualDecoder:
    """Decoders of the same symbols and options with different models; a call leaves no trace in the next."""

    def __init__(self, decoders: Mapping[str, Decoder]) -> None:
        """`decoders` by the code of their language, at least one."""
        self.decoders = dict(decoders)
        if not self.decoders:
            raise ConfigError("a multilingual decoder needs at least one language")
        first = next(iter(self.decoders.values()))
        if any(one.symbols != first.symbols or one.options != first.options for one in self.decoders.values()):
            raise ConfigError("the decoders of several languages must have the same symbols and options")
        self._glancing = {code: decoder.narrowed(GLANCE) for code, decoder in self.decoders.items()}
        self.symbols: tuple[str, ...] = first.symbols
        self.options: DecoderOptions = first.options
        favoured = {one.code: one.nats for one in self.options.languages}
        self._favours = np.array([favoured.get(code, 0.0) for code in self.decoders])

    def decode(self, log_probs: Look) -> list[Hypothesis]:
        """(T, S) natural-log probabilities -> the `n_best` hypotheses of all languages, best first."""
        read = [decoder.decode(log_probs) for decoder in self.decoders.values()]
        return self._together(read, self._favours)

    def propose(
        self, samples: Sequence[Sequence[Look]], documents: Sequence[Hashable] | None = None
    ) -> list[list[list[Hypothesis]]]:
        """For each sample its looks, each (T, S) -> for each look what is proposed, best first.

        The first look is read in all languages that a narrow beam leaves in question, the others in that of its best
        text alone: hardly more work than with one language. `documents` names what each sample is of: lines of one page
        are probably in one language, and what the others say of it counts for each, up to MOST_SAID. Without it, and
        where the name is None, each is read for itself.
        """
        languages = list(self.decoders)
        firsts = [looks[0] for looks in samples]
        favours = np.tile(self._favours, (len(samples), 1))
        glances = [one.decode_many(firsts) for one in self._glancing.values()]
        scores = favours + _best(glances, len(samples))
        for places in of_documents(documents or ()):
            said = said_by_others(scores[places])
            scores[places] += said
            favours[places] += said
        questions = scores >= scores.max(axis=1, keepdims=True) - IN_QUESTION
        read = [
            self._in_question(language, firsts, asked) for language, asked in zip(languages, questions.T, strict=True)
        ]
        best = [languages[int(place)] for place in np.argmax(favours + _best(read, len(samples)), axis=1)]
        others = {
            language: self._others(
                language, [looks for looks, own in zip(samples, best, strict=True) if own == language]
            )
            for language in languages
        }
        return [
            [
                self._together([of_language[place] for of_language in read], favours[place]),
                *(
                    [_raised(one, favours[place][languages.index(language)]) for one in look]
                    for look in next(others[language])
                ),
            ]
            for place, language in enumerate(best)
        ]

    def _in_question(self, language: str, looks: Sequence[Look], asked: NDArray[np.bool_]) -> list[list[Hypothesis]]:
        """What a language proposes for the looks where it is asked, nothing for the others."""
        found = iter(self.decoders[language].decode_many(list(itertools.compress(looks, asked))))
        return [next(found) if one else [] for one in asked]

    def _others(self, language: str, samples: Sequence[Sequence[Look]]) -> Iterator[list[list[Hypothesis]]]:
        """What a language proposes for all looks but the first, sample by sample."""
        found = iter(self.decoders[language].decode_many([look for looks in samples for look in looks[1:]]))
        return iter([[next(found) for _ in looks[1:]] for looks in samples])

    def _together(self, lists: Sequence[Sequence[Hypothesis]], favours: NDArray[np.float64]) -> list[Hypothesis]:
        """Hypotheses of each language with its favour in their scores, best first, each text once."""
        raised = [_raised(one, nats) for many, nats in zip(lists, favours, strict=True) for one in many]
        kept: dict[tuple[object, ...], Hypothesis] = {}
        for one in sorted(raised, key=lambda one: -one.score):
            kept.setdefault((one.labels, one.text), one)
        return list(kept.values())[: self.options.n_best]


def of_documents(documents: Sequence[Hashable]) -> list[list[int]]:
    """The document each sample is of, None for none -> the places of each document's samples."""
    places = defaultdict[Hashable, list[int]](list)
    for place, document in enumerate(documents):
        if document is not None:
            places[document].append(place)
    return list(places.values())


def said_by_others(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Best scores of samples in each language (N, L) -> what the other samples say for each sample's, 0 for the best of
    them and at least -MOST_SAID (N, L).

    The sum of their log-odds, as if they were independent, which they are not: hence the bound.
    """
    odds = np.maximum(scores - scores.max(axis=1, keepdims=True), -MOST_SAID)
    sums = odds.sum(axis=0) - odds
    bounded: NDArray[np.float64] = np.maximum(sums - sums.max(axis=1, keepdims=True), -MOST_SAID)
    return bounded


def _raised(hypothesis: Hypothesis, nats: float) -> Hypothesis:
    """The same with the favour of its language in its score, among what is boosted."""
    parts = hypothesis.parts or Parts(hypothesis.score)
    return replace(hypothesis, score=hypothesis.score + nats, parts=replace(parts, boost=parts.boost + nats))


def _best(lists: Sequence[Sequence[Sequence[Hypothesis]]], samples: int) -> NDArray[np.float64]:
    """For each language what it proposes for each sample -> the best scores (N, L), -inf where nothing is proposed."""
    scores = [[found[0].score if found else -np.inf for found in of_language] for of_language in lists]
    return np.array(scores, np.float64).reshape(len(lists), samples).T
