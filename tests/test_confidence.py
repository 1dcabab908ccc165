"""Which words are right, and whether confidences keep what they promise: small tables, arithmetic in sight."""

import numpy as np
import pytest
from conftest import TINY_SPEECH, random_bundle
from PIL import Image

from pipelines import reliability as reliabilities
from pipelines.confidence import Judged, judge, matches, modes, reliability
from pipelines.reliability import Way
from recog.ctc.hypothesis import Hypothesis, Span, Word
from recog.recognizer import Recognition


@pytest.mark.parametrize(
    ("reference", "words", "expected"),
    [
        ("a b c", "a b c", [(0, 0), (1, 1), (2, 2)]),
        ("a b c", "a x c", [(0, 0), (2, 2)]),  # substitution
        ("a b c", "a c", [(0, 0), (2, 1)]),  # deletion
        ("a c", "a b c", [(0, 0), (1, 2)]),  # insertion
        ("a b", "", []),
        ("", "a", []),
        ("a", "b", []),
        ("b a", "a", [(1, 0)]),
    ],
)
def test_words_that_match(reference: str, words: str, expected: list[tuple[int, int]]) -> None:
    assert matches(reference.split(), words.split()) == expected


def recognition(*words: tuple[str, float]) -> Recognition:
    """Words of one label each."""
    spans = tuple(Span(number, number + 1, confidence) for number, (_, confidence) in enumerate(words))
    found = tuple(Word(text, number, number + 1, confidence) for number, (text, confidence) in enumerate(words))
    return Recognition(" ".join(text for text, _ in words), Hypothesis((1,) * len(words), spans, 0.0, found))


def test_words_are_judged_by_the_text_rule() -> None:
    recognitions = [recognition(("Two", 0.9), ("3", 0.2), ("words", 0.8)), recognition(), recognition(("a", 0.5))]
    judged = judge(recognitions, ["two words", "nothing", "b"], "spoken")
    assert judged.confidences.tolist() == [0.9, 0.2, 0.8, 0.5]
    assert judged.right.tolist() == [True, False, True, False]  # the rule leaves nothing of "3"
    assert judged.evidence.shape == (4, 5)


def test_nothing_recognised_is_nothing_judged() -> None:
    judged: Judged = judge([recognition()], ["a"], "raw")
    assert (len(judged.right), judged.evidence.shape) == (0, (0, 5))


def test_calibration_error_by_hand() -> None:
    # Ten words at 0.9 of which 7 are right, ten at 0.25 of which 4 are: off by 0.2 and 0.15, half of the words each.
    confidences = np.array([0.9] * 10 + [0.25] * 10)
    right = np.array([True] * 7 + [False] * 3 + [True] * 4 + [False] * 6)
    found = reliability(confidences, right)
    assert (found.words, found.right) == (20, 11 / 20)
    assert found.error_width == pytest.approx(0.175)
    assert [(one.words, one.low) for one in found.bins_width if one.words] == [(10, 0.2), (10, 0.9)]
    # Two bins of equal mass are the same ten and ten; bins of five would judge luck.
    assert reliability(confidences, right, bins=2).error_mass == pytest.approx(0.175)
    # log 0.9 seven times, log 0.1 three times, log 0.25 four times, log 0.75 six times
    said = (7 * np.log(0.9) + 3 * np.log(0.1) + 4 * np.log(0.25) + 6 * np.log(0.75)) / 20
    without = 0.55 * np.log(0.55) + 0.45 * np.log(0.45)
    assert found.cross_entropy == pytest.approx(1 - said / without)


def test_confidences_that_hold_have_no_error() -> None:
    random = np.random.default_rng(0)
    confidences = random.random(200_000)
    found = reliability(confidences, random.random(200_000) < confidences)
    assert max(found.error_width, found.error_mass) < 0.005
    assert [one.words for one in found.bins_mass] == [20_000] * 10


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_the_very_ends_are_in_a_bin(confidence: float) -> None:
    found = reliability(np.array([confidence]), np.array([True]))
    assert found.error_width == found.error_mass == 1 - confidence
    assert found.cross_entropy == 0.0  # nothing to be told: all words are right


def test_a_bundle_without_models_decodes_in_two_ways() -> None:
    assert modes(random_bundle(TINY_SPEECH, " ab", "spoken")) == ("greedy", "beam")


def test_the_diagram_shows_the_points_where_they_belong() -> None:
    half_right = np.tile([True, False], 50)
    raw, found = (reliability(np.full(100, confidence), half_right) for confidence in (0.95, 0.55))
    way = Way("tiny", "beam", True, found, raw)
    drawn = reliabilities.picture([way, way])
    left, bottom, side = 46, 40 + 300, 300
    assert drawn.getpixel((round(left + 0.55 * side), bottom - side // 2)) == (0xC0, 0x39, 0x2B)
    assert drawn.getpixel((round(left + 0.95 * side), bottom - side // 2)) == (0x99, 0x99, 0x99)
    alone: Image.Image = reliabilities.picture([way])
    assert drawn.size == (2 * alone.width, alone.height)
    lines = list(reliabilities.table([way]))
    assert any("5.00 % /  5.00 %" in line and "(raw 45.00 % / 45.00 %)" in line for line in lines)
    assert reliabilities.as_json([way])[0]["calibrated"] is True
