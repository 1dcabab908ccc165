import itertools
import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import LanguageModelError
from recog.lm import graphones
from recog.lm.graphones import MOVES, POWER, Graphone, Lattices, align, expect, likeliest

ENTRIES = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=4), st.lists(st.sampled_from("XYZ"), min_size=1, max_size=6)),
    min_size=1,
    max_size=5,
)


def segmentations(word: str, phones: tuple[str, ...]) -> Iterator[tuple[Graphone, ...]]:
    """Every row of tokens that makes the entry."""
    if not word and not phones:
        yield ()
    for letters, said in MOVES:
        if letters <= len(word) and said <= len(phones):
            for rest in segmentations(word[letters:], phones[said:]):
                yield (Graphone(word[:letters], phones[:said]), *rest)


def test_expected_counts_and_the_likeliest_row_are_those_of_all_segmentations() -> None:
    # "abc" said X Y Z: chunks a b c ab bc of letters are 0 to 4; of phones, nothing is 0, then X Y Z XY YZ.
    lattices = Lattices(
        np.array([0, 3]),
        np.array([0, 3]),
        np.array([0, 1, 2], np.int32),
        np.array([3, 4, 0], np.int32),
        np.array([1, 2, 3], np.int32),
        np.array([4, 5, 0], np.int32),
    )
    written, said = ["a", "b", "c", "ab", "bc"], [(), ("X",), ("Y",), ("Z",), ("X", "Y"), ("Y", "Z")]
    for seed in range(5):
        probabilities = np.random.default_rng(seed).uniform(0.01, 1, (5, 6))
        rows = {
            row: math.prod(probabilities[written.index(token.letters), said.index(token.phones)] for token in row)
            for row in segmentations("abc", ("X", "Y", "Z"))
        }
        # a:X b:Y c:Z, six with one letter silent and another said with two phones, two with a pair and a double.
        assert len(rows) == 9
        counts, likelihoods = np.zeros((5, 6)), np.zeros(1)
        expect(lattices, probabilities, counts, likelihoods)
        assert likelihoods[0] == pytest.approx(sum(rows.values()))
        truth: Counter[Graphone] = Counter()
        for row, weight in rows.items():
            for token in row:
                truth[token] += weight / sum(rows.values())
        for i, letters in enumerate(written):
            for j, phones in enumerate(said):
                assert counts[i, j] == pytest.approx(truth[Graphone(letters, phones)])
        found = np.zeros(3, np.int64)
        length = likeliest(lattices, 0, probabilities, found)
        best = tuple(Graphone(written[code // 6], said[code % 6]) for code in found[:length].tolist())
        assert best == max(rows, key=lambda row: rows[row])


@settings(deadline=None, max_examples=40)
@given(ENTRIES)
def test_each_round_makes_the_dictionary_likelier(entries: list[tuple[str, list[str]]]) -> None:
    possible = [entry for entry in entries if len(entry[1]) <= 2 * len(entry[0])]
    if not possible:
        return
    aligned = align(entries, rounds=6)
    assert np.all(np.diff(aligned.log_likelihoods) >= -1e-9)
    # Before the first round all pairs of chunks are equally likely.
    written = {word[at : at + n] for word, _ in possible for n in (1, 2) for at in range(len(word) - n + 1)}
    said = {tuple(way[at : at + n]) for _, way in possible for n in (0, 1, 2) for at in range(len(way) - n + 1)}
    each = 1 / (len(written) * len(said))

    def weight(row: tuple[Graphone, ...]) -> float:
        return math.prod(each ** (POWER if len(token.letters) > 1 or len(token.phones) > 1 else 1) for token in row)

    first = sum(math.log(sum(map(weight, segmentations(word, tuple(phones))))) for word, phones in possible)
    assert aligned.log_likelihoods[0] == pytest.approx(first)
    assert len(aligned.left_out) == len(entries) - len(possible)
    for (word, phones), row in zip(possible, aligned.rows, strict=True):
        tokens = [aligned.tokens[number] for number in row]
        assert "".join(token.letters for token in tokens) == word
        assert [phone for token in tokens for phone in token.phones] == list(phones)


def test_letters_find_their_phones() -> None:
    said = {"fox": "F O K S", "box": "B O K S", "off": "O F", "phone": "F O N", "phob": "F O B", "bone": "B O N"}
    said |= {
        "sob": "S O B",
        "nob": "N O B",
        "fob": "F O B",
        "one": "O N",
        "bobs": "B O B S",
        "kob": "K O B",
        "sok": "S O K",
    }
    aligned = align([(word, way.split()) for word, way in said.items()], rounds=12)
    rows = {
        "".join(aligned.tokens[number].letters for number in row): [aligned.tokens[number] for number in row]
        for row in aligned.rows
    }
    assert rows["fox"] == [("f", ("F",)), ("o", ("O",)), ("x", ("K", "S"))]
    assert rows["sob"] == [("s", ("S",)), ("o", ("O",)), ("b", ("B",))]
    assert rows["phob"][-2:] == [("o", ("O",)), ("b", ("B",))]
    assert rows["sok"] == [("s", ("S",)), ("o", ("O",)), ("k", ("K",))]


def test_a_regular_spelling_is_taken_letter_by_letter() -> None:
    words = ["".join(letters) for letters in itertools.product("bdkmt", "aeiou", "dknst")]
    aligned = align([(word, [*word.upper()]) for word in words], rounds=8)
    assert set(aligned.tokens) == {(letter, (letter.upper(),)) for letter in "abdeikmnostu"}


def test_what_cannot_be_aligned_is_left_out_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    www = ("w", ("D", "AH", "B"))
    long = ("a" * 61, ("A",) * 61)
    aligned = align([("a", ("A",)), www, long, ("", ("A",)), ("b", ())], rounds=1)
    assert aligned.left_out == (www, long, ("", ("A",)), ("b", ()))
    assert [row.tolist() for row in aligned.rows] == [[0]]
    with pytest.raises(LanguageModelError, match="none of the 1 entries of the dictionary can be aligned"):
        align([www])
    monkeypatch.setattr(graphones, "_MOST_CELLS", 5)
    with pytest.raises(
        LanguageModelError, match="has 3 different letters and pairs of letters and 2 of phones, too many"
    ):
        align([("ab", ("A",))])
