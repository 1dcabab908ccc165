import math

import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog import metrics
from recog.metrics import Counts


@pytest.mark.parametrize(
    ("reference", "hypothesis", "rate"),
    [
        ("this is a test", "this is a test", 0 / 4),
        ("this is a test", "this is test", 1 / 4),
        ("this is a test", "this was a text", 2 / 4),
        ("this is", "this is a long test", 3 / 2),
        ("a b c d e f", "g h i j k l m", 7 / 6),
        ("word", "", 1 / 1),
        ("one  two\tthree", "one two three", 0 / 3),
        ("a a b", "a b b", 1 / 3),
    ],
)
def test_word_rates(reference: str, hypothesis: str, rate: float) -> None:
    assert metrics.word_counts(reference, hypothesis).rate == pytest.approx(rate)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("kitten", "sitting", Counts(2, 0, 1, 6)),
        ("abc", "abc", Counts(0, 0, 0, 3)),
        ("a b", "ab", Counts(0, 1, 0, 3)),
        ("ab", "a b", Counts(0, 0, 1, 2)),
        ("\u00e9t\u00e9", "ete", Counts(2, 0, 0, 3)),
        ("   ", "  ", Counts(0, 1, 0, 3)),
        ("abc", "", Counts(0, 3, 0, 3)),
    ],
)
def test_character_counts(reference: str, hypothesis: str, expected: Counts) -> None:
    assert metrics.character_counts(reference, hypothesis) == expected


@given(st.text("ab \u00e9", max_size=9), st.text("ab \u00e9", max_size=9))
def test_edits_are_the_textbook_distance(reference: str, hypothesis: str) -> None:
    characters = metrics.character_counts(reference, hypothesis)
    assert characters.edits == oracles.edit_distance(reference, hypothesis)
    assert characters.units - characters.deletions + characters.insertions == len(hypothesis)
    words = metrics.word_counts(reference, hypothesis)
    assert words.edits == oracles.edit_distance(reference.split(), hypothesis.split())


def test_an_empty_reference_counts_insertions_and_has_no_finite_rate() -> None:
    assert metrics.character_counts("", "") == Counts(0, 0, 0, 0)
    assert metrics.character_counts("", "").rate == 0.0
    assert metrics.character_counts("", "ab") == Counts(0, 0, 2, 0)
    assert metrics.character_counts("", "ab").rate == math.inf
    assert metrics.word_counts(" ", "ab cd").insertions == 2


def test_a_corpus_is_divided_once() -> None:
    # 1 of 1 word wrong and 0 of 9: 1/10, not the mean of 1/1 and 0/9.
    counts = [metrics.word_counts("a", "b"), metrics.word_counts("a b c d e f g h i", "a b c d e f g h i")]
    assert metrics.total(counts) == Counts(1, 0, 0, 10)
    assert metrics.total(counts).rate == pytest.approx(1 / 10)
    assert metrics.total([]) == Counts()


def test_interval_of_equal_groups_is_a_point() -> None:
    counts = [Counts(1, 0, 0, 10)] * 6
    assert metrics.interval(counts, list("aabbcc")) == pytest.approx((0.1, 0.1))


def test_interval_holds_the_rate_and_repeats() -> None:
    counts = [Counts(number % 4, 0, 0, 10) for number in range(60)]
    groups = [str(number % 20) for number in range(60)]
    low, high = metrics.interval(counts, groups)
    assert 0 < low < metrics.total(counts).rate < high < 0.3
    assert (low, high) == metrics.interval(counts, groups)
    assert (low, high) != metrics.interval(counts, groups, seed=1)


def test_interval_of_a_known_spread() -> None:
    # 100 rows, half of them wrong: the rate's standard deviation is sqrt(0.25 / 100) = 0.05.
    counts = [Counts(number % 2, 0, 0, 1) for number in range(100)]
    low, high = metrics.interval(counts, [str(number) for number in range(100)], draws=4000)
    assert low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.015)
    assert high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.015)


def test_interval_is_wider_over_speakers_than_over_rows() -> None:
    # Four speakers of 25 rows, each all right or all wrong.
    counts = [Counts(number // 25 % 2, 0, 0, 1) for number in range(100)]
    by_row = metrics.interval(counts, [str(number) for number in range(100)])
    by_speaker = metrics.interval(counts, [str(number // 25) for number in range(100)])
    assert by_speaker[1] - by_speaker[0] > 2 * (by_row[1] - by_row[0])


def test_interval_of_nothing_is_zero() -> None:
    assert metrics.interval([], []) == (0.0, 0.0)


def test_the_interval_of_a_difference_draws_both_together() -> None:
    base = [Counts(substitutions=number % 7, units=10) for number in range(70)]
    groups = [str(number) for number in range(70)]
    worse = [Counts(substitutions=one.substitutions + 1, units=10) for one in base]
    # Every row is a tenth worse, whichever are drawn; the rates themselves are spread.
    assert metrics.difference_interval(worse, base, groups) == pytest.approx((0.1, 0.1))
    assert metrics.difference_interval(base, worse, groups) == pytest.approx((-0.1, -0.1))
    low, high = metrics.interval(base, groups)
    assert high - low > 0.05
    # Against what makes no errors the difference is the rate.
    perfect = [Counts(units=10)] * 70
    assert metrics.difference_interval(base, perfect, groups) == pytest.approx((low, high))
    assert metrics.difference_interval([], [], []) == (0.0, 0.0)
