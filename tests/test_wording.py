"""Words keep their spelling and know their labels; the labels are those of the whole text by its rule."""

from hypothesis import given
from hypothesis import strategies as st

from recog import text as text_rules
from recog.alphabet import Alphabet
from recog.wording import Wording, wording

LETTERS = Alphabet(tuple(" 'abcdefghijklmnopqrstuvwxyz"))


def spelled(words: Wording, alphabet: Alphabet = LETTERS) -> list[tuple[str, str]]:
    return [(word.text, alphabet.decode(words.labels[word.first : word.last])) for word in words.words]


def test_words_as_written_and_their_labels() -> None:
    words = wording("In 1860 Mr. O’Neill’s well-known  house—the\nfirst — paid £3.", "spoken", LETTERS)
    assert spelled(words) == [
        ("In", "in"),
        ("1860", ""),
        ("Mr.", "mr"),
        ("O’Neill’s", "o'neill's"),
        ("well-known", "well known"),
        ("house—", "house"),
        ("the", "the"),
        ("first", "first"),
        ("—", ""),
        ("paid", "paid"),
        ("£3.", ""),
    ]
    # A space where white space stands, one for both sides of what has no labels; none at the dash.
    assert LETTERS.decode(words.labels) == "in mr o'neill's well known housethe first paid"
    assert [word.text for word in words.unspelled] == ["1860", "£3."]
    assert words.text_of(4, 8) == "well-known house—the first"


def test_characters_know_their_labels() -> None:
    (word,) = wording("Well-off’s.", "spoken", LETTERS).words
    assert [(one.text, one.first) for one in word.characters] == [
        ("W", 0), ("e", 1), ("l", 2), ("l", 3), ("o", 5), ("f", 6), ("f", 7), ("’", 8), ("s", 9)
    ]  # fmt: skip
    # Two signs that are one letter: a and a combining ring; the rule writes them as one.
    (word,) = wording("a\u030ab", "strict", Alphabet(tuple("åb"))).words
    assert [(one.text, one.first, one.last) for one in word.characters] == [("å", 0, 1), ("b", 1, 2)]


def test_letters_outside_the_alphabet_are_passed_over() -> None:
    words = wording("Ça 7ième №", "strict", Alphabet(tuple(" aeim")))
    assert spelled(words, Alphabet(tuple(" aeim"))) == [("Ça", "a"), ("7ième", "ime"), ("№", "")]
    assert [one.text for one in words.words[0].characters] == ["a"]
    assert [word.text for word in words.unspelled] == ["№"]


@given(st.text(alphabet="ab'’ -—.1éÉß\n\t\u0301", max_size=30), st.sampled_from(["spoken", "strict"]))
def test_the_labels_are_those_of_the_whole_text(text: str, rule: str) -> None:
    alphabet = Alphabet(tuple(" 'ab-.1áéÉß\u0301"))
    whole = text_rules.rule(rule)(" ".join(text.split()))
    words = wording(text, rule, alphabet)
    assert alphabet.decode(words.labels) == whole
    for word in words.words:
        assert text[word.start : word.start + len(word.text)] == word.text
        inside = [place for one in word.characters for place in range(one.first, one.last)]
        assert inside == sorted(set(inside)) and all(word.first <= place < word.last for place in inside)
