"""Letters and phones together: each head proposes texts by its own beam search, and both score all of them.

Phones are closer to the sound, and with a pronouncing lexicon and a word model they read better; letters can spell what
no lexicon holds. There may be several looks at a sample (recog.ctc.consensus): each proposes by its phones, the first by
its letters too, and the log-probabilities below are means over the looks. A text's score is

    (1 - share) * log P(letters) + share * log P(phones) + language + length + boost,

where P(phones) is that of the way of saying it that is likeliest in the first look. A text with a word that has no pronunciation is compared with
the best of those that have one by its letters alone.
"""

import itertools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recog.ctc.align import align, required_frames
from recog.ctc.decoder import Decoder
from recog.ctc.hypothesis import Hypothesis, Parts, Word, probabilities
from recog.ctc.likelihood import log_likelihood
from recog.ctc.options import DecoderOptions
from recog.ctc.reading import words_at
from recog.ctc.rescoring import Judge, asked, language_scores
from recog.errors import ConfigError
from recog.lm.hotwords import Hotword
from recog.lm.lexicon import Lexicon
from recog.lm.ngram import NgramModel

# Ways of saying a whole text that are tried at most.
_MOST_WAYS = 8
# What a look hears: letters (T, S) and phones (T, P).
Heads = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Candidate:
    """A text that one of the heads proposed."""

    words: tuple[str, ...]
    # (first, last) frame of each word, for the head that proposed it.
    frames: tuple[tuple[int, int], ...]
    # Whether the lexicon has each word.
    known: tuple[bool, ...]
    # Log-probability of its letters, and of its phones: NaN where a word has no pronunciation.
    letters: float
    phones: float
    # Language, length and boost, in nats.
    models: Parts


# Candidates with their scores, best first.
Scored = list[tuple[float, Candidate]]


class JointDecoder:
    """Decoder of both heads; a call leaves no trace in the next."""

    def __init__(
        self,
        symbols: Sequence[str],
        phones: Sequence[str],
        options: DecoderOptions,
        word_lm: NgramModel | None,
        char_lm: NgramModel | None,
        lexicon: Lexicon | None,
        pronunciations: Lexicon,
        judge: Judge | None = None,
    ) -> None:
        """As `Decoder`, with the phones' symbols, the lexicon that spells words in them, and who judges the best texts.

        Needs a space among the symbols; a hot phrase is listened for in phones where all its words have pronunciations.
        """
        if " " not in symbols:
            raise ConfigError("a decoder of letters and phones needs a space among the letters, which parts words")
        self.options, self.pronunciations, self.judge = options, pronunciations, asked(judge, options)
        self._known: dict[str, list[tuple[int, ...]]] = {}
        self._labels = {symbol: number for number, symbol in enumerate(symbols, start=1)}
        inner = replace(options, n_best=max(options.candidates, options.n_best), threads=1)
        self.letters = Decoder(symbols, inner, word_lm, char_lm, lexicon)
        sayable = tuple(hot for hot in options.hotwords if self._sayable(hot))
        self.phones = Decoder(phones, replace(inner, hotwords=sayable), word_lm, None, pronunciations)

    def _sayable(self, hot: Hotword) -> bool:
        return all(word in self.pronunciations.numbers for word in hot.phrase.split())

    def decode(self, looks: Sequence[Heads]) -> list[Hypothesis]:
        """Of each look at a sample (T, S) and (T, P) natural-log probabilities of the same frames -> the `n_best`
        hypotheses in letters, placed by the first look.
        """
        return self.decode_many([looks])[0]

    def decode_many(self, samples: Sequence[Sequence[Heads]]) -> list[list[Hypothesis]]:
        """As `decode` for each sample, side by side in threads; the judge is asked about all of them at once."""
        threads = min(self.options.threads or os.cpu_count() or 1, len(samples))
        if threads < 2:
            proposed = [self._proposals(looks) for looks in samples]
        else:
            with ThreadPoolExecutor(threads) as pool:
                proposed = list(pool.map(self._proposals, samples))
        if self.judge is not None:
            proposed = self._judged(proposed, self.judge)
        return [
            [self._hypothesis(place, scored, looks[0][0]) for place in range(min(self.options.n_best, len(scored)))]
            for scored, looks in zip(proposed, samples, strict=True)
        ]

    def _proposals(self, looks: Sequence[Heads]) -> Scored:
        """What the heads propose for a sample, best first."""
        heard = [(probabilities(one), probabilities(other)) for one, other in looks]
        found: dict[tuple[str, ...], Candidate] = {}
        proposals = (self.letters.decode(looks[0][0]), *(self.phones.decode(phones) for _, phones in looks))
        for proposed in itertools.chain.from_iterable(proposals):
            texts = tuple(word.text for word in proposed.words)
            if texts not in found and self._fits(texts, len(looks[0][0])):
                found[texts] = self._candidate(proposed, texts, heard)
        return sorted(self._scored(list(found.values())), key=lambda pair: -pair[0])

    def _candidate(
        self,
        proposed: Hypothesis,
        texts: tuple[str, ...],
        heard: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    ) -> Candidate:
        assert proposed.parts is not None
        spelled, phones = self._spelled(texts), math.nan
        letters = sum(log_likelihood(look, spelled) for look, _ in heard) / len(heard)
        if ways := self._ways(texts):
            # The likeliest way in the first look: there are many ways, and the looks hardly ever disagree on them.
            said = [log_likelihood(heard[0][1], way) for way in ways]
            likeliest = max(range(len(ways)), key=said.__getitem__)
            others = sum(log_likelihood(look, ways[likeliest]) for _, look in heard[1:])
            phones = (said[likeliest] + others) / len(heard)
        known = tuple(word.known for word in proposed.words)
        return Candidate(texts, frames_of(proposed), known, letters, phones, proposed.parts)

    def _fits(self, words: Sequence[str], frames: int) -> bool:
        """Whether the letters can write a text at all, and in so many frames."""
        return (
            all(character in self._labels for word in words for character in word)
            and required_frames(self._spelled(words)) <= frames
        )

    def _spelled(self, words: Sequence[str]) -> list[int]:
        return [self._labels[character] for character in " ".join(words)]

    def _ways(self, words: Sequence[str]) -> list[tuple[int, ...]]:
        """How a text may be said, in labels; none where a word has no pronunciation."""
        spoken = [self._said(word) for word in words]
        ways = itertools.islice(itertools.product(*spoken), _MOST_WAYS)
        return [tuple(itertools.chain.from_iterable(way)) for way in ways]

    def _said(self, word: str) -> list[tuple[int, ...]]:
        # Looked for once: the words of a language come again and again.
        if word not in self._known:
            self._known[word] = self.pronunciations.spelled(word)
        return self._known[word]

    def _scored(self, found: Sequence[Candidate]) -> Scored:
        share = self.options.phones
        models = [one.models.language + one.models.length + one.models.boost for one in found]
        sayable = [place for place, one in enumerate(found) if not math.isnan(one.phones)]
        scores = [
            (1 - share) * one.letters + share * one.phones + more for one, more in zip(found, models, strict=True)
        ]
        if not sayable:
            return [(one.letters + more, one) for one, more in zip(found, models, strict=True)]
        best = max(sayable, key=lambda place: scores[place])
        # Where phones say nothing of a word, they are taken to part two texts as the letters do.
        lent = share * (found[best].phones - found[best].letters)
        return [
            (one.letters + lent + more if math.isnan(score) else score, one)
            for score, one, more in zip(scores, found, models, strict=True)
        ]

    def _judged(self, proposed: Sequence[Scored], judge: Judge) -> list[Scored]:
        """The best of each sample with the judge's word in their scores, in their new order."""
        best = [scored[: max(self.options.judged, self.options.n_best)] for scored in proposed]
        texts = [" ".join(one.words) for scored in best for _, one in scored]
        before = [one.models.language for scored in best for _, one in scored]
        language = iter(language_scores(judge, texts, before, self.options))
        again = [
            [
                (score - one.models.language, replace(one, models=replace(one.models, language=next(language))))
                for score, one in scored
            ]
            for scored in best
        ]
        return [
            sorted(((score + one.models.language, one) for score, one in scored), key=lambda pair: -pair[0])
            for scored in again
        ]

    def _hypothesis(self, place: int, scored: Scored, letters: NDArray[np.float32]) -> Hypothesis:
        score, best = scored[place]
        labels = tuple(self._spelled(best.words))
        spans = align(letters, labels)
        sure = agreement([(one.words, one.frames) for _, one in scored], posteriors([s for s, _ in scored]), place)
        places = words_at(labels, self._labels[" "])
        words = tuple(
            Word(text, first, last, confidence, known)
            for text, (first, last), confidence, known in zip(best.words, places, sure, best.known, strict=True)
        )
        models = best.models
        acoustic = score - models.language - models.length - models.boost
        return Hypothesis(labels, spans, score, words, replace(models, acoustic=acoustic))


def frames_of(hypothesis: Hypothesis) -> tuple[tuple[int, int], ...]:
    """The frames of each word, the last not included."""
    spans = hypothesis.spans
    return tuple((spans[word.first].start, spans[word.last - 1].end) for word in hypothesis.words)


def posteriors(scores: Sequence[float]) -> NDArray[np.float64]:
    """Scores in nats -> the probability of each among them."""
    shares = np.exp(np.array(scores) - max(scores))
    found: NDArray[np.float64] = shares / shares.sum()
    return found


def agreement(
    candidates: Sequence[tuple[Sequence[str], Sequence[tuple[int, int]]]], shares: NDArray[np.float64], place: int
) -> list[float]:
    """For each word of the candidate at `place`, the shares of all candidates that have it in frames that overlap its."""
    words, frames = candidates[place]
    sure = np.zeros(len(words))
    for (others, where), share in zip(candidates, shares.tolist(), strict=True):
        spoken: dict[str, list[tuple[int, int]]] = {}
        for other, at in zip(others, where, strict=True):
            spoken.setdefault(other, []).append(at)
        for number, (word, (start, end)) in enumerate(zip(words, frames, strict=True)):
            if any(first < end and start < last for first, last in spoken.get(word, ())):
                sure[number] += share
    return [min(1.0, float(value)) for value in sure]
