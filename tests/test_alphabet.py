import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog.alphabet import BLANK, Alphabet
from recog.errors import AlphabetError

ABC = Alphabet(("a", "b", "c"))


def test_numbers_start_above_blank() -> None:
    assert BLANK == 0
    assert ABC.encode("cab") == [3, 1, 2]
    assert ABC.decode([3, 1, 2]) == "cab"
    assert len(ABC) == 4


@given(st.text(min_size=1, max_size=30))
def test_round_trip(text: str) -> None:
    alphabet = Alphabet.from_texts([text])
    numbers = alphabet.encode(text)
    assert alphabet.decode(numbers) == text
    assert all(0 < number < len(alphabet) for number in numbers)


def test_from_texts_counts_and_sorts() -> None:
    assert Alphabet.from_texts(["ba", "b\u00e9 a", "b"]).symbols == (" ", "a", "b", "\u00e9")
    assert Alphabet.from_texts(["ba", "b\u00e9 a", "b"], min_count=2).symbols == ("a", "b")
    assert Alphabet.from_texts(["ba", "b\u00e9 a", "b"], min_count=3).symbols == ("b",)


@pytest.mark.parametrize(
    ("symbols", "sentence"),
    [
        ((), "at least one symbol"),
        (("a", "b", "a"), "'a' must .* occurs 2 times"),
        (("a", "ch"), "'ch' must be a single character"),
        (("",), "'' must be a single character"),
    ],
)
def test_laws(symbols: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(AlphabetError, match=sentence):
        Alphabet(symbols)


def test_an_alphabet_of_no_texts_is_refused() -> None:
    with pytest.raises(AlphabetError, match="this one is empty"):
        Alphabet.from_texts(["", ""])


def test_foreign_characters_are_named() -> None:
    assert ABC.missing("bac") == []
    assert ABC.missing("zebra\u2019") == ["e", "r", "z", "\u2019"]
    with pytest.raises(
        AlphabetError, match=r"^text 'b\u2019' holds U\+2019 '\u2019', which the alphabet lacks; add it"
    ):
        ABC.encode("b\u2019")


@pytest.mark.parametrize("number", [0, 4, -1])
def test_foreign_numbers_are_named(number: int) -> None:
    with pytest.raises(AlphabetError, match=rf"^symbol number {number} is outside 1\.\.3"):
        ABC.decode([1, number])
