from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.correction import spoken, written
from pipelines.transcript import SpokenWord, WrittenLine, WrittenWord

WORDS = (
    SpokenWord("she", 1.0, 1.3, 0.9),
    SpokenWord("sells", 1.4, 1.8, 0.4),
    SpokenWord("sea", 1.9, 2.2, 0.8),
    SpokenWord("shells", 2.2, 2.8, 0.7),
)


def row(*parts: tuple[str, float, float, float]) -> tuple[SpokenWord, ...]:
    return tuple(SpokenWord(*part) for part in parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("she sells sea shells", WORDS),
        # One for one: the place stays, and what a person wrote is sure.
        ("she smells sea shells", (WORDS[0], SpokenWord("smells", 1.4, 1.8, 1.0), *WORDS[2:])),
        # Two for one share its place by letters: 7 letters in 0.7 s, from 1.9 to 2.2 and on to 2.8 for "sea shells".
        ("she sells seashells", (*WORDS[:2], SpokenWord("seashells", 1.9, 2.8, 1.0))),
        ("she se lls sea shells", (WORDS[0], *row(("se", 1.4, 1.56, 1.0), ("lls", 1.56, 1.8, 1.0)), *WORDS[2:])),
        # Added: shares the place of the word before (3 + 3 letters), which stays as sure as it was.
        ("she now sells sea shells", (*row(("she", 1.0, 1.15, 0.9), ("now", 1.15, 1.3, 1.0)), *WORDS[1:])),
        # Added at the beginning: shares the place of the word after.
        ("now she sells sea shells", (*row(("now", 1.0, 1.15, 1.0), ("she", 1.15, 1.3, 0.9)), *WORDS[1:])),
        ("she shells", (WORDS[0], WORDS[3])),
        ("", ()),
    ],
)
def test_corrected_words_lie_where_those_lay_that_they_stand_for(text: str, expected: tuple[SpokenWord, ...]) -> None:
    assert spoken(WORDS, text) == expected


def test_words_without_any_before_share_the_whole() -> None:
    assert spoken((), "abc d", (2.0, 6.0)) == row(("abc", 2.0, 5.0, 1.0), ("d", 5.0, 6.0, 1.0))


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "she", "sea"]), max_size=9))
def test_corrected_words_are_all_there_in_order_within_what_was_said(after: list[str]) -> None:
    found = spoken(WORDS, " ".join(after), (1.0, 2.8))
    assert [word.text for word in found] == after
    times = [time for word in found for time in (word.start, word.end)]
    assert times == sorted(times) and all(1.0 <= time <= 2.8 for time in times)
    assert all(word.end > word.start for word in found)


def test_corrected_words_of_a_line_lie_in_its_pixels() -> None:
    words = (WrittenWord("tea", (10, 5, 40, 25), 0.9), WrittenWord("pot", (50, 3, 110, 30), 0.3))
    line = WrittenLine("tea pot", (10, 3, 110, 30), words)
    assert written(line, "tea pot") == words
    assert written(line, "tea pots") == (words[0], WrittenWord("pots", (50, 3, 110, 30), 1.0))
    assert written(line, "teapot") == (WrittenWord("teapot", (10, 3, 110, 30), 1.0),)
    assert written(line, "tea a pot") == (
        WrittenWord("tea", (10, 5, 32, 25), 0.9),  # 3 of 4 letters in 30 pixels
        WrittenWord("a", (32, 5, 40, 25), 1.0),
        words[1],
    )
    assert written(replace(line, words=()), "x") == (WrittenWord("x", (10, 3, 110, 30), 1.0),)
