"""TIMIT's phones: counts, classes and examples of the foldings, and letters that lose nothing."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog import phones, text
from recog.alphabet import Alphabet
from recog.errors import ManifestError
from recog.metrics import character_counts

# Lee & Hon (1989): all that 61 names become in the set of 39, written out by class.
CLASSES_39 = {
    "aa": "aa ao",
    "ae": "ae",
    "ah": "ah ax ax-h",
    "aw": "aw",
    "ay": "ay",
    "b": "b",
    "ch": "ch",
    "d": "d",
    "dh": "dh",
    "dx": "dx",
    "eh": "eh",
    "er": "er axr",
    "ey": "ey",
    "f": "f",
    "g": "g",
    "hh": "hh hv",
    "ih": "ih ix",
    "iy": "iy",
    "jh": "jh",
    "k": "k",
    "l": "l el",
    "m": "m em",
    "n": "n en nx",
    "ng": "ng eng",
    "ow": "ow",
    "oy": "oy",
    "p": "p",
    "r": "r",
    "s": "s",
    "sh": "sh zh",
    "sil": "bcl dcl gcl pcl tcl kcl h# pau epi",
    "t": "t",
    "th": "th",
    "uh": "uh",
    "uw": "uw ux",
    "v": "v",
    "w": "w",
    "y": "y",
    "z": "z",
}
# What the set of 48 still keeps apart.
MORE_IN_48 = {"ao", "ax", "cl", "el", "en", "epi", "ix", "vcl", "zh"}
ADDED = {"cl", "vcl", "sil"}


def test_folding_to_39_is_the_table_of_lee_and_hon() -> None:
    expected = {name: folded for folded, names in CLASSES_39.items() for name in names.split()} | {"q": ""}
    assert len(expected) == 61
    assert {name: phones.fold(name, 39) for name in phones.LETTERS if name not in ADDED} == expected


def test_folding_to_48_keeps_nine_more_apart() -> None:
    names = {phones.fold(name, 48) for name in phones.LETTERS} - {""}
    assert names == set(CLASSES_39) | MORE_IN_48 and len(names) == 48
    assert {name: phones.fold(name, 48) for name in ("bcl", "pcl", "h#", "pau", "axr", "nx", "q")} == {
        "bcl": "vcl",
        "pcl": "cl",
        "h#": "sil",
        "pau": "sil",
        "axr": "er",
        "nx": "n",
        "q": "",
    }
    # To 39 by way of 48 is the same as at once.
    assert all(phones.fold(phones.fold(name, 48), 39) == phones.fold(name, 39) for name in phones.LETTERS)


def test_every_phone_has_a_letter_that_no_name_holds() -> None:
    assert len(phones.NAMES) == len(phones.LETTERS) == 64
    assert all(len(letter) == 1 for letter in phones.NAMES)
    assert "".join(phones.LETTERS).isascii() and not any(letter.isascii() for letter in phones.NAMES)
    assert all(unicodedata.normalize("NFC", letter) == letter for letter in phones.NAMES)
    Alphabet(tuple(phones.NAMES))


@given(st.lists(st.sampled_from(sorted(phones.LETTERS))))
def test_names_come_back_from_letters(names: list[str]) -> None:
    assert phones.named(phones.letters(" ".join(names), 61)).split() == names


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("phones-61", "h# b ih gcl g q aa h#"),
        ("phones-48", "sil b ih vcl g aa sil"),
        ("phones-39", "sil b ih sil g aa sil"),
    ],
)
def test_rules_fold_and_a_second_one_folds_further(rule: str, expected: str) -> None:
    spelled = text.rule(rule)("h# b ih gcl g q aa h#")
    assert phones.named(spelled) == expected
    # What a recogniser of 61 phones has written is scored in the set of 39.
    assert phones.named(text.rule("phones-39")(spelled)) == "sil b ih sil g aa sil"


def test_ordinary_text_is_dropped() -> None:
    assert text.rule("phones-39")("HELLO there") == ""
    assert phones.named("x ʃ?") == "sh"


def test_the_character_error_rate_is_the_phone_error_rate() -> None:
    rule = text.rule("phones-39")
    # One of five phones is another: ix counts as ih, d for t is an error.
    counts = character_counts(rule("h# ih t sh iy"), rule("pau ix d sh iy"))
    assert (counts.edits, counts.units) == (1, 5)


def test_cmudict_has_39_phones_in_the_order_of_their_names() -> None:
    names = [phones.NAMES[letter] for letter in phones.CMU]
    assert len(set(names)) == 39
    assert names == sorted(names)
    assert [name.lower() for name in phones.CMU_NAMES] == names
    assert phones.spelled(["W", "EY1", "l", "ah0"]) == "".join(phones.LETTERS[name] for name in ("w", "ey", "l", "ah"))
    assert phones.named(phones.spelled(["DH", "AH0", "S", "IY1"])) == "dh ah s iy"


@pytest.mark.parametrize("name", ["DX", "H#", "W3", "", "whale"])
def test_other_names_are_no_phones_of_cmudict(name: str) -> None:
    with pytest.raises(ManifestError, match="is no phone of CMUdict"):
        phones.spelled(["W", name])
