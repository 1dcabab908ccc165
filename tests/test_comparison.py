"""Comparisons against the textbook's edit distance, small tables with visible arithmetic, and the way back."""

import csv
import io
from collections import Counter

import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import comparison, pairing
from pipelines.comparison import Confusion, Edit
from recog import evaluation, metrics
from recog.errors import InputError
from recog.metrics import Counts

UNITS = st.lists(st.sampled_from(["a", "b", "c d", "é"]), max_size=8)


@settings(deadline=None, max_examples=60)
@given(UNITS, UNITS)
def test_an_alignment_spells_both_sides_with_the_fewest_edits(reference: list[str], hypothesis: list[str]) -> None:
    edits = comparison.align(reference, hypothesis)
    assert [edit.reference for edit in edits if edit.kind != "insert"] == reference
    assert [edit.hypothesis for edit in edits if edit.kind != "delete"] == hypothesis
    wrong = [edit for edit in edits if edit.kind != "equal"]
    assert len(wrong) == oracles.edit_distance(reference, hypothesis)
    for edit in edits:
        assert (edit.reference == edit.hypothesis) == (edit.kind == "equal")
        assert (edit.reference == "") == (edit.kind == "insert") and (edit.hypothesis == "") == (edit.kind == "delete")


def test_edits_stand_where_they_are() -> None:
    assert comparison.align(["the", "quick", "fox"], ["a", "the", "quick", "box"]) == (
        Edit("insert", "", "a"),
        Edit("equal", "the", "the"),
        Edit("equal", "quick", "quick"),
        Edit("substitute", "fox", "box"),
    )
    assert comparison.align(["a", "b"], []) == (Edit("delete", "a", ""), Edit("delete", "b", ""))
    assert comparison.align([], ["a"]) == (Edit("insert", "", "a"),)
    assert comparison.align("ab", "b") == (Edit("delete", "a", ""), Edit("equal", "b", "b"))


@settings(deadline=None, max_examples=60)
@given(UNITS, UNITS)
def test_likeness_chooses_among_the_fewest_edits(reference: list[str], hypothesis: list[str]) -> None:
    before = comparison.align(reference, hypothesis)
    after = comparison.alike(before)
    assert [edit.reference for edit in after if edit.reference] == reference
    assert [edit.hypothesis for edit in after if edit.hypothesis] == hypothesis
    assert Counter(edit.kind for edit in after) == Counter(edit.kind for edit in before)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("a cat", "a cut too", "a cat>cut >too"),
        ("a cat", "a two cut", "a >two cat>cut"),
        ("the house over there now", "hows there now", "the> house>hows over> there now"),
        ("x alpha y beta z", "alfa betta", "x> alpha>alfa y> beta>betta z>"),
    ],
)
def test_words_stand_across_those_they_are_like(reference: str, hypothesis: str, expected: str) -> None:
    edits = comparison.alike(comparison.align(reference.split(), hypothesis.split()))
    told = [edit.reference if edit.kind == "equal" else f"{edit.reference}>{edit.hypothesis}" for edit in edits]
    assert " ".join(told) == expected


def compared(references: str, hypotheses: str, rule: str = "strict") -> comparison.Comparison:
    return comparison.compare(pairing.columns(references, hypotheses).pairs, rule)


def test_rates_counts_and_confusions_of_a_small_table() -> None:
    # Of 8 words 2 are replaced (cat, cat), 1 is left out (on), 1 added (too).
    references, hypotheses = "a cat sat\na cat so\non it", "a cut sat\na cut so too\nit"
    found = compared(references, hypotheses)
    assert found.scores.words == Counts(2, 1, 1, 8) and found.scores.words.rate == pytest.approx(4 / 8)
    assert found.scores.characters == Counts(2, 3, 4, 9 + 8 + 5)  # u for a twice; "on " left out; " too" added
    assert found.words == (Confusion("cat", "cut", 2), Confusion("", "too", 1), Confusion("on", "", 1))
    assert Confusion("a", "u", 2) in found.characters[:2]  # beside the two letters o of "too"
    assert sum(one.count for one in found.characters) == found.scores.characters.edits
    assert found.scores == evaluation.score(pairing.columns(references, hypotheses).pairs, "strict")
    assert [line.name for line in found.worst_first()] == ["line 2", "line 3", "line 1"]
    assert [line.words.edits for line in found.lines] == [1, 2, 1]
    low, high = found.scores.wer_interval
    assert 0 < low <= 4 / 8 <= high < 1.1


def test_the_rule_decides_and_the_texts_stay_as_given() -> None:
    found = compared("Hello, World!", "hello world", "spoken")
    assert (found.scores.words.edits, found.scores.characters.edits, found.words) == (0, 0, ())
    assert (found.lines[0].reference, found.lines[0].hypothesis) == ("Hello, World!", "hello world")
    assert compared("Hello, World!", "hello world", "raw").scores.words.edits == 2


def test_lines_without_a_reference_are_kept_and_not_counted() -> None:
    found = compared("a b\n...\nc", "a b\nnoise\n", "spoken")
    assert [line.counted for line in found.lines] == [True, False, True]
    assert found.scores.rows == 2 and found.scores.words == Counts(0, 1, 0, 3)
    assert found.words == (Confusion("c", "", 1),)
    assert found.worst_first()[0].name == "line 3"


def test_counts_of_lines_are_those_of_their_edits() -> None:
    [line] = compared("one two three", "one too three four").lines
    assert line.words == metrics.word_counts("one two three", "one too three four")
    kinds = [edit.kind for edit in line.edits]
    assert (kinds.count("substitute"), kinds.count("insert"), kinds.count("delete")) == (
        line.words.substitutions,
        line.words.insertions,
        line.words.deletions,
    )


def test_tables_to_keep_hold_every_line_and_confusion() -> None:
    found = compared('say "a, b"\n\nc', "say a\nx\n")
    lines = list(csv.DictReader(io.StringIO(comparison.lines_csv(found))))
    assert [(row["name"], row["reference"], row["hypothesis"]) for row in lines] == [
        ("line 1", 'say "a, b"', "say a"),
        ("line 2", "", "x"),
        ("line 3", "c", ""),
    ]
    assert (lines[0]["wer"], lines[0]["words"], lines[0]["word_deletions"]) == ("0.66667", "3", "1")
    assert (lines[1]["wer"], lines[1]["cer"]) == ("", "")  # there was nothing to divide by
    confusions = list(csv.DictReader(io.StringIO(comparison.confusions_csv(found))))
    assert {"unit": "word", "reference": "c", "hypothesis": "", "count": "1"} in confusions
    assert sum(int(row["count"]) for row in confusions if row["unit"] == "word") == found.scores.words.edits


def test_nothing_and_endless_lines_are_refused() -> None:
    with pytest.raises(InputError, match="no line came"):
        comparison.compare([], "raw")
    with pytest.raises(InputError, match="line 1 has 20001 characters; at most 20000 can be aligned"):
        compared("a" * 20001, "a")
