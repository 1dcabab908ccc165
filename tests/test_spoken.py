"""Pronouncing lexicons as arrays: what goes in comes out, by word and from the file; what does not fit is refused."""

from pathlib import Path

import numpy as np
import pytest

from recog.errors import LanguageModelError
from recog.lm import spoken
from recog.lm.lexicon import Lexicon
from recog.lm.spoken import Spoken

SAID = {"read": (("R", "EH", "D"), ("R", "IY", "D")), "a": (("AH",),), "l'été": (("L", "EY", "T", "EY"),)}


def test_arrays_are_the_dictionary(tmp_path: Path) -> None:
    made = Spoken.of(SAID)
    spoken.save(tmp_path / "said", made)
    for one in (made, spoken.load(tmp_path / "said")):
        assert dict(one) == SAID and list(one) == list(SAID) and len(one) == 3
        assert "read" in one and "write" not in one
        assert one.phones == ("AH", "D", "EH", "EY", "IY", "L", "R", "T")
        # By hand: two ways of "read", one of each other; R EH D, R IY D, AH, L EY T EY by their places.
        assert one.ways.tolist() == [2, 1, 1] and one.lengths.tolist() == [3, 3, 1, 4]
        assert one.said.tolist() == [6, 2, 1, 6, 4, 1, 0, 5, 3, 7, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["said"]


def test_a_lexicon_of_arrays_is_that_of_the_dictionary() -> None:
    symbols = ("AH", "R", "EH", "IY", "D", "L")  # neither T nor EY
    for said in (SAID, Spoken.of(SAID)):
        lexicon = Lexicon.of_pronunciations(said, symbols)
        assert lexicon.words == ("read", "a") and lexicon.left_out == ("l'été",)
        assert lexicon.spelled("read") == [(2, 3, 5), (2, 4, 5)] and lexicon.spelled("a") == [(1,)]


@pytest.mark.parametrize("said", [{"": [("A",)]}, {"a\nb": [("A",)]}, {"a": []}, {"a": [()]}, {"a": [("A\n",)]}])
def test_what_has_no_line_is_refused(said: dict[str, list[tuple[str, ...]]]) -> None:
    with pytest.raises(LanguageModelError, match="line breaks"):
        Spoken.of(said)


def test_more_phones_than_a_byte_counts_are_refused() -> None:
    Spoken.of({"a": [tuple(str(number) for number in range(256))]})
    with pytest.raises(LanguageModelError, match="257 phones came"):
        Spoken.of({"a": [tuple(str(number) for number in range(257))]})


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "said"
    spoken.save(path, Spoken.of(SAID))
    whole = path.read_bytes()
    with np.load(path) as file:
        arrays = dict(file)
    for size in (0, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(LanguageModelError, match="put the lexicon in again"):
            spoken.load(path)
    for name in arrays:
        shorter = {**arrays, name: arrays[name][:-1]} if name != "words" else {**arrays, "words": arrays["words"][2:]}
        shorter = {**shorter, "phones": arrays["phones"][:-2]} if name == "phones" else shorter
        if name == "words":
            shorter["words"] = np.frombuffer(b"a\nb", np.uint8)
        with path.open("wb") as file:
            np.savez(file, **shorter)
        with pytest.raises(LanguageModelError, match="fit together"):
            spoken.load(path)
    with pytest.raises(LanguageModelError, match="cannot be read"):
        spoken.load(tmp_path / "missing")
