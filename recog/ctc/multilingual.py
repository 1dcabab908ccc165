"""One decoder for each language that a text may be in: the language is found together with the text.

A model of two languages at once lets each word change between them, and reads English that the network hardly sees as
French. Whole texts compete instead: log P(text | language) of each language's own model, all languages being equally
likely beforehand.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recog.ctc.decoder import Decoder
from recog.ctc.hypothesis import Hypothesis
from recog.ctc.options import DecoderOptions
from recog.errors import ConfigError

Look = NDArray[np.float32]


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
        self.symbols: tuple[str, ...] = first.symbols
        self.options: DecoderOptions = first.options

    def decode(self, log_probs: Look) -> list[Hypothesis]:
        """(T, S) natural-log probabilities -> the `n_best` hypotheses of all languages, best first."""
        return self._together([one.decode(log_probs) for one in self.decoders.values()])

    def propose(self, samples: Sequence[Sequence[Look]]) -> list[list[list[Hypothesis]]]:
        """For each sample its looks, each (T, S) -> for each look what is proposed, best first.

        The first look is read in all languages, the others in that of its best text alone: with three looks and two
        languages a third more work than with one language.
        """
        languages = list(self.decoders)
        firsts = [looks[0] for looks in samples]
        read = [self.decoders[language].decode_many(firsts) for language in languages]
        best = [
            languages[int(np.argmax([_score(of_language[place]) for of_language in read]))]
            for place in range(len(samples))
        ]
        others = {
            language: self._others(
                language, [looks for looks, own in zip(samples, best, strict=True) if own == language]
            )
            for language in languages
        }
        return [
            [self._together([of_language[place] for of_language in read]), *next(others[language])]
            for place, language in enumerate(best)
        ]

    def _others(self, language: str, samples: Sequence[Sequence[Look]]) -> Iterator[list[list[Hypothesis]]]:
        """What a language proposes for all looks but the first, sample by sample."""
        found = iter(self.decoders[language].decode_many([look for looks in samples for look in looks[1:]]))
        return iter([[next(found) for _ in looks[1:]] for looks in samples])

    def _together(self, lists: Sequence[Sequence[Hypothesis]]) -> list[Hypothesis]:
        """Hypotheses of several languages, best first, each text once."""
        kept: dict[tuple[object, ...], Hypothesis] = {}
        for one in sorted((one for many in lists for one in many), key=lambda one: -one.score):
            kept.setdefault((one.labels, one.text), one)
        return list(kept.values())[: self.options.n_best]


def _score(hypotheses: Sequence[Hypothesis]) -> float:
    return hypotheses[0].score if hypotheses else -np.inf
