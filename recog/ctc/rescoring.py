"""What a beam proposed, judged again by a model that is too slow for the beam: it sees whole texts.

language = kept * language of the beam's models + recurrent * log P(text)
"""

from collections.abc import Sequence
from typing import Protocol

from recog.ctc.options import DecoderOptions

# Lines of a page, in order.
Lines = tuple[str, ...]


class Judge(Protocol):
    """Says how likely texts are."""

    def log_probabilities(self, texts: Sequence[str], before: Sequence[Lines] = ()) -> list[float]:
        """Natural log of P(text) for each, its end included; `before` gives for each the lines that come before it, if any."""


def asked(judge: Judge | None, options: DecoderOptions) -> Judge | None:
    """The judge, where there is one and it has any weight."""
    return judge if options.recurrent > 0 else None


def language_scores(
    judge: Judge, texts: Sequence[str], language: Sequence[float], options: DecoderOptions, before: Sequence[Lines] = ()
) -> list[float]:
    """The language part of each text's score, in nats, from what the beam's models gave it.

    `before`: for each text the lines before it on its page, () where no text has any.
    """
    said = judge.log_probabilities(texts, before) if any(before) else judge.log_probabilities(texts)
    return [options.kept * before + options.recurrent * likely for before, likely in zip(language, said, strict=True)]
