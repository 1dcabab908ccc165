import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import LanguageModelError
from recog.lm import pronunciation

CMU = """;;; a heading of the old form
a AH0
a(2) EY1
'tis T IH1 Z
read R EH1 D
read(2) R IY1 D # the present
record R AH0 K AO1 R D
record(2) R EH1 K ER0 D
record(3) R IH0 K AO1 R D
) P ER0 EH1 N
aalborg AO1 L B AO0 R G # place, danish
"""


def test_cmudict_form_with_and_without_stress(tmp_path: Path) -> None:
    (tmp_path / "cmu.dict").write_text(CMU)
    stressed = pronunciation.read(tmp_path / "cmu.dict", stress=True)
    assert stressed["a"] == (("AH0",), ("EY1",))
    assert stressed["aalborg"] == (("AO1", "L", "B", "AO0", "R", "G"),)
    assert list(stressed) == ["a", "'tis", "read", "record", ")", "aalborg"]
    plain = pronunciation.read(tmp_path / "cmu.dict")
    assert plain["read"] == (("R", "EH", "D"), ("R", "IY", "D"))
    assert len(plain["record"]) == 3
    assert " ".join(pronunciation.phones_of(plain)) == "AH AO B D EH ER EY G IH IY K L N P R T Z"


def test_ways_that_differ_in_stress_alone_become_one(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("permit P ER0 M IH1 T\npermit(2) P ER1 M IH2 T\n")
    assert pronunciation.read(tmp_path / "d") == {"permit": (("P", "ER", "M", "IH", "T"),)}
    assert len(pronunciation.read(tmp_path / "d", stress=True)["permit"]) == 2


def test_stress_is_a_digit_after_letters_and_nothing_else() -> None:
    # X-SAMPA has phones that are digits, and digits above 2.
    told = {"AH0": "AH", "AH2": "AH", "AH3": "AH3", "2": "2", "9": "9", "R": "R", "\u0259": "\u0259", "o~1": "o~1"}
    assert {phone: pronunciation.unstressed(phone) for phone in told} == told


def test_plain_form_holds_words_with_spaces_and_repeats(tmp_path: Path) -> None:
    text = "\ufeffNew York\tN UW Y AO R K\nZo\u00eb\tZ OW IY\nZo\u00eb\tZ OW\n#\tHH AE SH\n## told by nobody\n"
    (tmp_path / "d.tsv").write_text(text, encoding="utf-8")
    assert pronunciation.read(tmp_path / "d.tsv") == {
        "New York": (("N", "UW", "Y", "AO", "R", "K"),),
        "Zo\u00eb": (("Z", "OW", "IY"), ("Z", "OW")),
        "#": (("HH", "AE", "SH"),),
    }


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("whale", "line 2 of .* is 'whale'; expected a word and its phones"),
        ("whale # W EY L", "line 2 of .* is 'whale # W EY L'; expected a word and its phones"),
        ("\tW EY L", "line 2 of .* expected a word and its phones"),
        ("whale W EX L", "line 2 of .* says 'whale' with 'EX', which is not among the phones"),
        ("wh\udce9le W EY L", "line 2 of .* is not UTF-8"),
    ],
)
def test_refusals_name_the_line(line: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "d").write_text(f"a EY1\n{line}\n", encoding="utf-8", errors="surrogateescape")
    with pytest.raises(LanguageModelError, match=told):
        pronunciation.read(tmp_path / "d", phones={"EY", "W", "L"})


def test_empty_cut_off_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(";;; nothing\n\n")
    with pytest.raises(LanguageModelError, match="holds no word; expected lines such as 'whale W EY1 L'"):
        pronunciation.read(tmp_path / "empty")
    packed = gzip.compress(CMU.encode() * 50)
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(LanguageModelError, match=r"cut\.gz is cut off or damaged"):
        pronunciation.read(tmp_path / "cut.gz")
    with pytest.raises(LanguageModelError, match="gone cannot be read"):
        pronunciation.read(tmp_path / "gone")


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Z", "C")), min_size=1).filter(
            lambda word: not word.endswith(")") and not word.startswith((";;;", "##"))
        ),
        st.lists(st.lists(st.sampled_from(["AH", "B", "2", "#"]), min_size=1).map(tuple), min_size=1, unique=True).map(
            lambda ways: tuple(way for way in ways if "#" not in way) or (("B",),)
        ),
        min_size=1,
    ),
    st.sampled_from(["", ".gz", ".xz"]),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, words: dict[str, tuple[tuple[str, ...], ...]], packing: str
) -> None:
    path = tmp_path_factory.mktemp("d") / f"d{packing}"
    pronunciation.write(path, words)
    assert pronunciation.read(path) == words
    assert sum(1 for _ in pronunciation.entries(words)) == sum(len(ways) for ways in words.values())
    if packing == ".xz":
        assert lzma.decompress(path.read_bytes()).count(b"\n") == sum(len(ways) for ways in words.values())


@pytest.mark.parametrize("words", [{"a\tb": [["B"]]}, {"": [["B"]]}, {"a": [[]]}, {"a": [["B C"]]}, {"a": [[""]]}])
def test_what_no_line_can_hold_is_not_written(words: dict[str, list[list[str]]], tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match="cannot be written as a line"):
        pronunciation.write(tmp_path / "d", words)
    assert not list(tmp_path.iterdir())
