"""What several looks agree on, against enumeration of all texts and tables with visible arithmetic."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TINY_HANDWRITING, random_bundle
from numpy.typing import NDArray

from recog.ctc.consensus import Change, Jury, agreed, changes, elected
from recog.ctc.decoder import Decoder
from recog.ctc.greedy import greedy
from recog.ctc.hypothesis import Hypothesis, Parts
from recog.ctc.likelihood import log_likelihood
from recog.ctc.options import DecoderOptions
from recog.recognizer import DecodingOptions, Recognizer


def matrices(seed: int, looks: int, frames: int = 6, symbols: int = 4, sharp: float = 2.0) -> list[NDArray[np.float32]]:
    """Looks that differ, more or less sure of one thing."""
    random = np.random.default_rng(seed)
    common = random.normal(0, sharp, (frames, symbols))
    raw = [common + random.normal(0, 1.5, (frames, symbols)) for _ in range(looks)]
    return [(one - np.log(np.exp(one).sum(1, keepdims=True))).astype(np.float32) for one in raw]


def mean_likelihood(looks: list[NDArray[np.float32]], labels: tuple[int, ...]) -> float:
    return float(np.mean([log_likelihood(np.exp(look.astype(np.float64)), labels) for look in looks]))


def test_a_jury_votes_with_the_mean_of_the_likelihoods() -> None:
    looks = matrices(1, 3)
    jury = Jury(looks)
    for labels in [(), (1,), (2, 3), (1, 1, 2)]:
        assert jury(labels) == pytest.approx(mean_likelihood(looks, labels), abs=1e-4)
    assert jury((1, 1, 1, 1)) == -np.inf  # 4 labels and 3 blanks between them do not fit into 6 frames


def test_changes_turn_one_text_into_another() -> None:
    assert changes((1, 2, 3), (1, 2, 3)) == []
    assert changes((1, 2, 3, 4), (1, 3, 3, 4)) == [Change(1, 2, (3,))]
    assert changes((1, 2), (1, 2, 3)) == [Change(2, 2, (3,))]
    assert changes((1, 2, 3), ()) == [Change(0, 3, ())]
    random = np.random.default_rng(0)
    for _ in range(200):
        first, second = (tuple(random.integers(1, 4, random.integers(0, 9)).tolist()) for _ in range(2))
        rebuilt = first
        for change in reversed(changes(first, second)):
            rebuilt = rebuilt[: change.start] + change.labels + rebuilt[change.end :]
        assert rebuilt == second


def test_what_is_agreed_is_never_less_likely_than_any_best_path_and_often_the_likeliest_of_all() -> None:
    texts = [labels for length in range(5) for labels in itertools.product((1, 2, 3), repeat=length)]
    likeliest = better = 0
    for seed in range(40):
        looks = matrices(seed, 3)
        found = agreed(looks)
        assert found.score == pytest.approx(mean_likelihood(looks, found.labels), abs=1e-4)
        paths = [greedy(look).labels for look in looks]
        assert all(found.score >= mean_likelihood(looks, path) - 1e-6 for path in paths)
        better += found.labels not in paths
        likeliest += found.labels == max(texts, key=lambda labels, looks=looks: mean_likelihood(looks, labels))
    assert likeliest >= 25 and better >= 3  # of 40


def sure_of(path: list[int], symbols: int, share: float = 0.9) -> NDArray[np.float32]:
    """A matrix whose best path is this."""
    found = np.full((len(path), symbols), (1 - share) / (symbols - 1))
    found[np.arange(len(path)), path] = share
    return np.log(found).astype(np.float32)


def test_the_places_where_looks_differ_are_decided_one_by_one() -> None:
    # Two of three looks are sure of 2 in the middle, other two of 3 at the end; no look has both.
    looks = [
        sure_of([1, 0, 2, 0, 1, 0], 4),
        sure_of([0, 1, 2, 2, 0, 3], 4),
        sure_of([1, 1, 3, 0, 0, 3], 4),
    ]
    found = agreed(looks)
    assert found.labels == (1, 2, 3)
    # Spans are those of the first look.
    assert [(span.start, span.end) for span in found.spans][:2] == [(0, 1), (2, 3)]
    one_third = (1 - 0.9) / 3
    assert found.spans[1].confidence == pytest.approx((0.9 + 0.9 + one_third) / 3, abs=0.01)


def test_one_look_is_read_as_ever() -> None:
    (look,) = matrices(3, 1, frames=9)
    assert agreed([look]) == greedy(look)
    proposals = Decoder("abc").decode(look)
    assert elected([[look]], [[proposals]]) == [proposals[0]]


def test_the_models_have_their_say_beside_the_mean_of_the_looks() -> None:
    looks = matrices(5, 2)
    texts = [(1,), (2,), (1, 2)]

    def proposed(labels: tuple[int, ...], language: float) -> Hypothesis:
        return Hypothesis(labels, (), 99.0, (), Parts(99.0, language))

    for language in itertools.product((0.0, -3.0, 3.0), repeat=3):
        proposals = [proposed(labels, share) for labels, share in zip(texts, language, strict=True)]
        scores = [mean_likelihood(looks, labels) + share for labels, share in zip(texts, language, strict=True)]
        (found,) = elected([looks], [[proposals[:2], proposals[1:]]])
        assert found.labels == texts[int(np.argmax(scores))]
        assert found.score == pytest.approx(max(scores), abs=1e-4)
        assert found.parts is not None and found.parts.acoustic == pytest.approx(
            mean_likelihood(looks, found.labels), abs=1e-4
        )


def test_words_are_as_sure_as_the_proposals_agree_on_them() -> None:
    frames, symbols = 9, "ab "
    looks = matrices(11, 2, frames, 4, 3.0)
    decoder = Decoder(symbols, DecoderOptions(beam=50, n_best=50))
    proposals = [decoder.decode(look) for look in looks]
    (found,) = elected([looks], [proposals])
    pool = {one.labels: one for many in proposals for one in many}
    scores = {labels: mean_likelihood(looks, labels) for labels in pool}
    assert found.labels == max(scores, key=lambda labels: scores[labels])
    total = sum(np.exp(score) for score in scores.values())
    for number, word in enumerate(found.words):
        place = (found.spans[word.first].start, found.spans[word.last - 1].end)
        share = 0.0
        for labels, other in pool.items():
            places = [
                (other.spans[one.first].start, other.spans[one.last - 1].end)
                for one in other.words
                if one.text == word.text
            ]
            if any(start < place[1] and place[0] < end for start, end in places):
                share += np.exp(scores[labels]) / total
        assert found.words[number].confidence == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("beam", [0, 8])
def test_a_recogniser_reads_what_its_looks_agree_on(beam: int) -> None:

    bundle = random_bundle(TINY_HANDWRITING, "abc ", "strict")
    bundle = replace(bundle, frontend=replace(TINY_HANDWRITING, slopes=(0.0, -0.3, 0.6), shifts=(0, 1, 3)))
    recognizer = Recognizer(bundle, DecodingOptions(beam=beam))
    lines = [torch.rand(steps, 24, generator=torch.Generator().manual_seed(steps)) for steps in (90, 40, 61)]
    looks = dict(recognizer.looks(lines))
    for number, found in enumerate(recognizer.recognise(lines)):
        several = list(looks[number])
        if beam:
            decoder = Decoder(bundle.alphabet.symbols, DecoderOptions(beam=beam, n_best=DecoderOptions().candidates))
            (expected,) = elected([several], [[decoder.decode(look) for look in several]])
        else:
            expected = agreed(several)
        assert found.hypothesis.labels == expected.labels
        assert found.hypothesis.score == pytest.approx(expected.score, abs=1e-3)
