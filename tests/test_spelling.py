"""Diplomatic text -> normalised text, by a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog import text as text_rules
from recog.spelling import normalised, normalised_words


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ſaid ſhe", "said she"),
        ("M^r Mʳ 2^e 9.^bre m^(lle) Mad^e", "Mr Mr 2e 9.bre mlle Made"),
        ("generalemẽt sõe cõbat tẽps", "generalement sone combat temps"),
        ("Espan\u0303a q\u0303 vr\u0304", "España q vr\u0304"),
        ("habi¬", "habi-"),
        ("propri=\na = b", "propri-\na = b"),
        ("=", "="),
        ("⁊ ꝑ ꝓ ꝙlle", "et per pro quelle"),
        ("ﬁn du ﬂeuve, œuvre, æther", "fin du fleuve, œuvre, æther"),
        ("‘a’ “b” 1914—18", "'a' \"b\" 1914-18"),
        ("un ⎀ mot ajou\u0336te\u0301", "un mot ajouté"),
        ("m² n° 1ª x^2", "m² n° 1ª x2"),
        ("e\u0301te\u0301 été", "été été"),
        ("a^ ^", "a^ ^"),
        ("u\u0368", "uc"),
        ("ẜvice", "service"),
        ("", ""),
    ],
)
def test_table(written: str, read: str) -> None:
    assert normalised(written) == read
    assert text_rules.rule("normalised")(written) == read


def test_words_stay_one_for_one_with_their_places() -> None:
    assert normalised_words(["M^r", "⎀", "habi¬"]) == ["Mr", "", "habi-"]
    assert normalised_words(["5", "¬"]) == ["5", "¬"]


@given(st.text(st.sampled_from("aenbſ^()¬= ẽ\u0303\n¬ʳ⁊"), max_size=20))
def test_normalised_text_keeps_its_lines_and_plain_text_stays(written: str) -> None:
    assert normalised(written).count("\n") == written.count("\n")
    plain = " ".join(written.translate(dict.fromkeys(map(ord, "ſ^¬=ẽ\u0303ʳ⁊"))).split())
    assert normalised(plain) == plain
