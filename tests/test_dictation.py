"""A text told as its words come, against the text of all words at once."""

from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import ByWord

from recog.dictation import AHEAD, Dictation
from recog.restorer import AROUND

WORDS = ("we", "saw", "anna", "twenty", "five", "hundred", "and", "men", "stop", "then")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=25), max_size=10))
def test_the_pieces_make_the_text_of_all_words(groups: list[list[str]]) -> None:
    words = [word for group in groups for word in group]
    dictation, told = Dictation(ByWord()), []
    for number, group in enumerate(groups):
        told += dictation.hear(group)
        known = sum(map(len, groups[: number + 1]))
        # What is told and what is open stand for all words so far, each once.
        stands_for = [place for one in [*told, *dictation.open()] for place in range(one.first, one.last)]
        assert stands_for == list(range(known))
    assert told + dictation.end() == ByWord().restore(words)
    assert dictation.end() == []


def test_words_wait_for_what_follows_them_and_open_ones_tell_nothing() -> None:
    dictation = Dictation(ByWord())
    assert dictation.hear(["we", "saw", "twenty"]) == []
    assert [one.text for one in dictation.open(["five", "stop"])] == ["We", "saw", "25", "stop."]
    assert [one.text for one in dictation.hear(["five", "men", "stop", *["and"] * AHEAD])] == [
        "We",
        "saw",
        "25",
        "men",
        "stop.",
    ]
    assert [one.text for one in dictation.open()][:2] == ["And", "and"]
    assert (dictation.end()[0].text, dictation.end()) == ("And", [])


def test_the_work_for_a_word_does_not_grow_with_the_text() -> None:
    restorer = ByWord()
    dictation = Dictation(restorer)
    for _ in range(50):
        dictation.hear(["we"] * 20)
    assert restorer.longest <= AROUND + AHEAD + 20


def test_without_a_restorer_words_are_told_at_once_as_they_are() -> None:
    dictation = Dictation(None)
    assert [one.text for one in dictation.hear(["so", "it"])] == ["so", "it"]
    assert dictation.hear([]) == []
    assert [one.text for one in dictation.open(["is"])] == ["is"]
    assert [(one.text, one.first) for one in dictation.hear(["was"])] == [("was", 2)]
    assert dictation.end() == []
