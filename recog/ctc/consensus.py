"""Several looks at one sample -> the text that all of them together hold most likely.

Each look gives log-probabilities of its own over the same frames; averaging them fails, since CTC's spikes fall into
other frames in each. Whole texts can be weighed instead: a text's score is the mean over the looks of log P(text | look), as
if a look were an expert and all had to agree (a product of experts, Hinton 2002). Without a language model the texts
are those of the best paths, and whatever comes of exchanging, one after the other, the places where two of them differ;
with one, each look's beam search proposes its best, and the models' part of the score is added.
"""

import itertools
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from recog.ctc.align import align, required_frames
from recog.ctc.greedy import greedy
from recog.ctc.hypothesis import Hypothesis, Parts, Span, probabilities
from recog.ctc.joint import agreement, frames_of, posteriors
from recog.ctc.likelihood import log_likelihood
from recog.ctc.options import DecoderOptions
from recog.ctc.rescoring import Judge, language_scores

Labels = tuple[int, ...]
# So often all proposals are gone through; hardly any text changes a third time.
_ROUNDS = 3


class Jury:
    """The looks at one sample, asked how likely they hold a text."""

    def __init__(self, looks: Sequence[NDArray[np.float32]]) -> None:
        self.looks = looks
        self._probabilities = [probabilities(look) for look in looks]
        self._known: dict[Labels, float] = {}

    def __call__(self, labels: Labels) -> float:
        """The mean of log P(labels | look); -inf where they do not fit."""
        if labels not in self._known:
            fits = required_frames(labels) <= len(self.looks[0])
            votes = [log_likelihood(one, labels) for one in self._probabilities] if fits else [-np.inf]
            self._known[labels] = sum(votes) / len(votes)
        return self._known[labels]


def agreed(looks: Sequence[NDArray[np.float32]]) -> Hypothesis:
    """Looks of one shape (T, S) at a sample -> the labelling found by exchanging where their best paths differ.

    Labels stand where the first look has them, which sees the sample as it is, and are as sure as the looks on average.
    The score is the mean log-likelihood. A single look gives its best path.
    """
    proposals = [greedy(look) for look in looks]
    if len(looks) == 1:
        return proposals[0]
    jury = Jury(looks)
    texts = list(dict.fromkeys(one.labels for one in proposals))
    best = max(texts, key=jury)
    for _ in range(_ROUNDS):
        before = best
        for other in texts:
            # From the end on: places before an exchange stay where they were.
            for change in reversed(changes(best, other)):
                tried = best[: change.start] + change.labels + best[change.end :]
                best = max(best, tried, key=jury)
        if best == before:
            break
    return Hypothesis(best, _placed(jury, best), jury(best))


def elected(
    samples: Sequence[Sequence[NDArray[np.float32]]],
    proposals: Sequence[Sequence[Sequence[Hypothesis]]],
    judge: Judge | None = None,
    options: DecoderOptions | None = None,
    documents: Sequence[Hashable] | None = None,
) -> list[Hypothesis]:
    """For each sample its looks, all of one shape (T, S), and what a decoder proposes for each look, best first -> for each
    sample the proposal with the best score.

    A `judge` is asked about the best of each sample's, as the `options` say, about those of all samples at once: together
    they are judged sooner. `documents` names what each sample is of, such as its page, None for nothing: samples of one are lines
    that follow each other, and each is judged as one that follows the best proposals for those before it. The words of the one chosen are as sure as all proposals together, weighed by their scores,
    hold the same word in the same place.
    """
    if judge is None:
        return [
            many[0][0] if len(looks) == 1 else _surest(_pool(looks, many))
            for looks, many in zip(samples, proposals, strict=True)
        ]
    pools = [_pool(looks, many) for looks, many in zip(samples, proposals, strict=True)]
    options = options or DecoderOptions()
    before = preceding(documents or [None] * len(pools), options.preceding)
    return [_surest(pool) for pool in _judged(pools, judge, options, before)]


def preceding(documents: Sequence[Hashable], most: int) -> list[list[int]]:
    """The document each sample is of, None for none -> the places of the samples before each in its document, `most` at most."""
    of: dict[Hashable, list[int]] = {}
    found = []
    for place, document in enumerate(documents):
        known = of.setdefault(document, []) if document is not None else []
        found.append(known[max(0, len(known) - most) :] if most else [])
        known.append(place)
    return found


def _pool(looks: Sequence[NDArray[np.float32]], proposals: Sequence[Sequence[Hypothesis]]) -> list[Hypothesis]:
    """What was proposed for any look, with the looks' mean in its score, best first."""
    jury = Jury(looks)
    pool: dict[tuple[Labels, str], Hypothesis] = {}
    for proposed in (one for many in proposals for one in many):
        pool.setdefault((proposed.labels, proposed.text), proposed)
    return sorted((_weighed(jury, one) for one in pool.values()), key=_badness)


def _surest(scored: Sequence[Hypothesis]) -> Hypothesis:
    """The first, its words as sure as all of them are together."""
    best, sentences = scored[0], [(tuple(word.text for word in one.words), frames_of(one)) for one in scored]
    sure = agreement(sentences, posteriors([one.score for one in scored]), 0)
    return replace(
        best,
        words=tuple(replace(word, confidence=share) for word, share in zip(best.words, sure, strict=True)),
    )


def _badness(hypothesis: Hypothesis) -> float:
    return -hypothesis.score


def _judged(
    pools: Sequence[Sequence[Hypothesis]], judge: Judge, options: DecoderOptions, before: Sequence[Sequence[int]]
) -> Iterator[list[Hypothesis]]:
    """The best of each pool with the judge's word in their scores, in their new order; `before`: the pools before each."""
    best = [pool[: options.judged] for pool in pools]
    lines = [tuple(pools[place][0].text for place in places) for places in before]
    told = [own for own, pool in zip(lines, best, strict=True) for _ in pool]
    parts = [one.parts or Parts(one.score) for pool in best for one in pool]
    texts = [one.text for pool in best for one in pool]
    language = language_scores(judge, texts, [one.language for one in parts], options, told)
    said = iter(zip(parts, language, strict=True))
    for pool in best:
        yield sorted((_told(one, *next(said)) for one in pool), key=_badness)


def _told(proposed: Hypothesis, known: Parts, language: float) -> Hypothesis:
    return replace(proposed, score=proposed.score - known.language + language, parts=replace(known, language=language))


def _weighed(jury: Jury, proposed: Hypothesis) -> Hypothesis:
    """The same with the looks' mean in the place of what one look says."""
    models = proposed.parts or Parts(0.0)
    acoustic = jury(proposed.labels)
    score = acoustic + models.language + models.length + models.boost
    return replace(proposed, score=score, parts=replace(models, acoustic=acoustic))


def _placed(jury: Jury, labels: Labels) -> tuple[Span, ...]:
    spans = [align(look, labels) for look in jury.looks]
    sure = np.mean([[span.confidence for span in of_look] for of_look in spans], axis=0).tolist()
    return tuple(replace(span, confidence=share) for span, share in zip(spans[0], sure, strict=True))


@dataclass(frozen=True)
class Change:
    """Labels start..end (end not included) of one text, and what another has in their place."""

    start: int
    end: int
    labels: Labels


def changes(first: Labels, second: Labels) -> list[Change]:
    """Where two texts differ by an alignment of fewest edits (Levenshtein 1966), in order; neighbouring edits are one."""
    found: list[Change] = []
    for equal, steps in itertools.groupby(Levenshtein.opcodes(first, second), lambda step: step.tag == "equal"):
        if not equal:
            edits = list(steps)
            found.append(
                Change(edits[0].src_start, edits[-1].src_end, second[edits[0].dest_start : edits[-1].dest_end])
            )
    return found
