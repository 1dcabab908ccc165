import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog import text
from recog.errors import ConfigError


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        ("", ""),
        ("  two\t words\n", "two words"),
        ("non\u00a0breaking\u2009space", "non breaking space"),
        ("\u2018a\u2019 \u201cb\u201d", "'a' \"b\""),
        ("1914\u20131918 \u2014 end\u00ac", "1914-1918 - end-"),
        ("e\u0301", "\u00e9"),  # NFC joins the accent
        ("\ufb01", "\ufb01"),  # but not NFKC: a ligature stays
        ("\u017fein", "\u017fein"),  # long s counts
        ("5^e, No. 3!", "5^e, No. 3!"),
        ("\u00ab \u00c9t\u00e9 \u00bb \u20ac", "\u00ab \u00c9t\u00e9 \u00bb \u20ac"),
        ("\u201a \u2010 \u2212", "\u201a \u2010 \u2212"),  # marks that the rule does not name stay
    ],
)
def test_strict(came: str, expected: str) -> None:
    assert text.strict(came) == expected


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        ("", ""),
        ("Hello,  World!", "hello world"),
        ("Don\u2019t", "don't"),
        ("\u2018quoted\u2019", "quoted'"),  # U+2018 is dropped, U+2019 is an apostrophe
        ("well-known", "well known"),
        ("dash\u2014ed", "dashed"),
        ("caf\u00e9", "caf"),
        ("in 1999", "in"),
        ("a\tb", "ab"),  # only U+0020 and the hyphen part words
        ("\u0130x", "ix"),  # lower case of a dotted capital I is two characters
        ("\u212a", "k"),  # the Kelvin sign's lower case is k
    ],
)
def test_spoken(came: str, expected: str) -> None:
    assert text.spoken(came) == expected


@given(st.text(max_size=40))
def test_rules_leave_their_own_result_as_it_is(came: str) -> None:
    for rule in text.RULES.values():
        assert rule(rule(came)) == rule(came)


@given(st.text(max_size=40))
def test_spoken_leaves_only_its_letters(came: str) -> None:
    said = text.spoken(came)
    assert set(said) <= set("abcdefghijklmnopqrstuvwxyz' ")
    assert "  " not in said
    assert said == said.strip()


def test_raw_changes_nothing() -> None:
    assert text.rule("raw")(" \u2019 A\n") == " \u2019 A\n"


def test_an_unknown_rule_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"^text rule 'strickt' is unknown; choose one of raw, strict, spoken, phones-61,"
    ):
        text.rule("strickt")


def test_definition_is_one_line_for_people() -> None:
    assert text.definition("raw") == "raw (The text as it stands)"
    for name in text.RULES:
        assert text.definition(name).startswith(f"{name} (")
        assert "\n" not in text.definition(name)
