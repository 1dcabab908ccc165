"""ARPA and binary files: KenLM's scores, round trips, and what broken files are told."""

import gzip
import json
import lzma
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from test_lm_train import babble

from recog.errors import LanguageModelError
from recog.lm import arpa, binary, lookup
from recog.lm.lookup import ROOT
from recog.lm.ngram import NgramModel
from recog.lm.quantise import quantise
from recog.lm.train import NgramConfig, train

CASES = Path(__file__).parent / "cases" / "lm"
LN10 = np.log(10)


def golden(name: str) -> list[tuple[list[str], np.ndarray]]:
    """Sentences with KenLM's log10 score of each word and of </s> (flashlight-text 0.0.7)."""
    rows = (line.split("\t") for line in (CASES / f"{name}.tsv").read_text(encoding="utf-8").splitlines())
    return [(sentence.split(), np.array([float(score) for score in scores])) for sentence, *scores in rows]


@pytest.mark.parametrize("name", ["kenlm", "srilm", "irstlm"])
def test_scores_are_kenlm_s(name: str, tmp_path: Path) -> None:
    """SRILM leaves weights, <unk> and the ends of pruned n-grams out; IRSTLM pads its counts."""
    model = arpa.read(CASES / f"{name}.arpa")
    arpa.write(model, tmp_path / "again.arpa")
    for each in (model, arpa.read(tmp_path / "again.arpa")):
        for words, scores in golden(name):
            np.testing.assert_allclose(each.score(words) / LN10, scores, atol=1e-5)


def test_spaces_and_windows_line_ends_are_read_too(tmp_path: Path) -> None:
    text = (CASES / "kenlm.arpa").read_text(encoding="utf-8")
    (tmp_path / "spaced.arpa").write_bytes(("# a comment\n\n" + text).replace("\t", " ").replace("\n", "\r\n").encode())
    model = arpa.read(tmp_path / "spaced.arpa")
    for words, scores in golden("kenlm"):
        np.testing.assert_allclose(model.score(words) / LN10, scores, atol=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_arpa_round_trip(order: int, tmp_path: Path) -> None:
    text = babble(100, seed=order)
    model = train(text, NgramConfig(order, most=400))
    for name in ("a.arpa", "a.arpa.gz", "a.arpa.xz"):
        arpa.write(model, tmp_path / name)
        again = arpa.read(tmp_path / name)
        assert (again.words, again.sizes) == (model.words, model.sizes)
        for line in babble(20, seed=99):
            np.testing.assert_allclose(again.score(line.split()), model.score(line.split()), atol=1e-4)
    assert gzip.decompress((tmp_path / "a.arpa.gz").read_bytes()) == (tmp_path / "a.arpa").read_bytes()
    assert lzma.decompress((tmp_path / "a.arpa.xz").read_bytes()) == (tmp_path / "a.arpa").read_bytes()


@pytest.mark.parametrize("space", ["<space>", "\u2581", "|"])
def test_a_file_of_letters_is_a_character_model_whatever_its_space(space: str, tmp_path: Path) -> None:
    model = train(["a bab", "ab"], NgramConfig(3, "character"))
    arpa.write(model, tmp_path / "a.arpa")
    text = (tmp_path / "a.arpa").read_text(encoding="utf-8").replace("<space>", space)
    (tmp_path / "a.arpa").write_text(text, encoding="utf-8")
    again = arpa.read(tmp_path / "a.arpa")
    assert again.unit == "character"
    np.testing.assert_allclose(again.score(list("a b")), model.score(list("a b")), atol=1e-4)
    assert arpa.read(tmp_path / "a.arpa", unit="word").id(space) > 2


def broken(tmp_path: Path, old: str, new: str) -> str:
    """What is said of kenlm.arpa when `old` has become `new`."""
    text = (CASES / "kenlm.arpa").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "broken.arpa").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(LanguageModelError) as refused:
        arpa.read(tmp_path / "broken.arpa")
    message = str(refused.value)
    assert "broken.arpa" in message
    return message


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("\\data\\", "data", "no line \\data\\"),
        ("\\data\\", "iARPA\n\\data\\", "IRSTLM's own iARPA"),
        ("ngram 2=6", "ngram 2=six", "line 3 of"),
        ("ngram 2=6", "ngram 3=6", "expected 'ngram 2=COUNT'"),
        ("ngram 2=6", "ngram 2=7", "line 23 of"),
        ("ngram 2=6", "ngram 2=5", "line 21 of"),
        ("-0.5\tthe whale\t-0.3", "-0.5\tthe shark\t-0.3", "line 17 of"),
        ("-0.5\tthe whale\t-0.3", "-0.5\tthe shark\t-0.3", "'shark', which is not a 1-gram"),
        ("-0.5\tthe whale\t-0.3", "-0.5\tthe", "expected a log10 probability, 2 words"),
        ("-0.5\tthe whale\t-0.3", "-0.5\tthe whale\t-0.3\t1", "line 17 of"),
        ("-0.5\tthe whale\t-0.3", "high\tthe whale\t-0.3", "line 17 of"),
        ("-0.5\tthe whale\t-0.3", "0.5\tthe whale\t-0.3", "log probability 0.5"),
        ("-0.5\tthe whale\t-0.3", "nan\tthe whale\t-0.3", "line 17 of"),
        ("-0.5\tthe whale\t-0.3", "-0.5\twhale the\t-0.3", "lists a 2-gram for the second time"),
        ("-0.5\tthe whale\t-0.3", "-0.5\tsea whale\t-0.3", "the first 2 words of this 3-gram"),
        ("-0.47\tthe whale the", "-0.47\tthe whale sea", "the first 3 words of this 4-gram"),
        ("-0.9\twhale\t-0.4", "-0.9\tsea\t-0.4", "'whale', which is not a 1-gram"),
        ("-1.2\t<unk>", "-1.2\tsea", "line 13 of"),
        ("-1.2\t<unk>", "-1.2\tsea", "lists a 1-gram for the second time"),
        ("\n\\end\\\n", "", "cut off before \\end\\"),
    ],
)
def test_what_a_broken_file_is_told(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert told in broken(tmp_path, old, new)


def test_a_file_cut_anywhere_is_told_so(tmp_path: Path) -> None:
    whole = (CASES / "kenlm.arpa").read_bytes()
    last = whole.index(b"\n\\end\\")
    for length in range(0, last, 7):
        (tmp_path / "cut.arpa").write_bytes(whole[:length])
        with pytest.raises(LanguageModelError, match=r"cut\.arpa|line \d+"):
            arpa.read(tmp_path / "cut.arpa")
    for name, packed in (("cut.arpa.gz", gzip.compress(whole)), ("cut.arpa.xz", lzma.compress(whole))):
        (tmp_path / name).write_bytes(packed[: len(packed) // 2])
        with pytest.raises(LanguageModelError, match=f"{name} is cut off or damaged"):
            arpa.read(tmp_path / name)
    with pytest.raises(LanguageModelError, match="cannot be read"):
        arpa.read(tmp_path / "absent.arpa")


def test_a_word_with_white_space_cannot_be_written(tmp_path: Path) -> None:
    model = train(["a\tb"], NgramConfig(1, "character"))
    with pytest.raises(LanguageModelError, match="white space"):
        arpa.write(model, tmp_path / "a.arpa")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
def test_binary_round_trip_is_the_quantised_model(order: int, tmp_path: Path) -> None:
    model = train(babble(300, seed=order), NgramConfig(order, text_rule="strict"))
    small = NgramModel(model.words, quantise(model.tables), model.unit, model.text_rule)
    binary.save(model, tmp_path / "a.lm")
    again = binary.load(tmp_path / "a.lm")
    assert (again.words, again.sizes, again.unit, again.text_rule) == (model.words, model.sizes, "word", "strict")
    for line in [*babble(20, seed=order), *babble(20, seed=99)]:
        np.testing.assert_array_equal(again.score(line.split()), small.score(line.split()))
        # A hundredth of a word's usual log probability; values are sparse in a tongue this small.
        np.testing.assert_allclose(again.score(line.split()), model.score(line.split()), atol=0.08)
    binary.save(again, tmp_path / "b.lm")
    assert (tmp_path / "b.lm").read_bytes() == (tmp_path / "a.lm").read_bytes()


def test_quantised_values_are_the_nearest_and_zero_stays_zero() -> None:
    model = train(babble(2000, seed=1, words=300), NgramConfig(3))
    small = quantise(model.tables)
    assert quantise(small) is small
    exact = model.tables.back_off_values[model.tables.back_off_codes]
    np.testing.assert_array_equal(small.back_off_codes == 0, exact == 0)
    first, end = model.tables.bounds[1:3]
    exact = model.tables.log_prob_values[model.tables.log_prob_codes[first:end]]
    rounded = small.log_prob_values[256 + small.log_prob_codes[first:end].astype(int)]
    assert len(np.unique(exact)) > 1000
    # Even steps over the range would have this root mean square error; the table does better.
    assert np.sqrt(np.mean((rounded - exact) ** 2)) < (exact.max() - exact.min()) / 255 / np.sqrt(12)


def test_a_vocabulary_beyond_16_bits(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(1 << 16)]
    model = train([" ".join(words[at : at + 64]) for at in range(0, len(words), 64)], NgramConfig(2))
    binary.save(model, tmp_path / "a.lm")
    again = binary.load(tmp_path / "a.lm")
    assert again.tables.words.itemsize == 4
    # In plain Python: compiling for 32-bit words once more would be most of the time.
    score_words = getattr(lookup.score_words, "py_func", lookup.score_words)
    ids, scores = np.array([again.id(word) for word in words[-8:]]), np.zeros(8)
    score_words(again.tables, ROOT, ids, scores)
    np.testing.assert_allclose(scores, model.score(words[-8:], begin=False, end=False), atol=0.05)


def test_broken_binaries_are_told_so(tmp_path: Path) -> None:
    model = train(babble(20, seed=1), NgramConfig(4))
    path = tmp_path / "a.lm"
    binary.save(model, path)
    whole = path.read_bytes()
    for spoiled in (whole[:-1], whole[: len(whole) // 2], whole[:40], whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:]):
        path.write_bytes(spoiled)
        with pytest.raises(LanguageModelError, match=r"a\.lm is damaged or cut off"):
            binary.load(path)
    path.write_bytes(b"\\data\\\nngram 1=3\n-1 a\n")
    with pytest.raises(LanguageModelError, match="not a language model of recog"):
        binary.load(path)
    path.write_bytes(b"")
    with pytest.raises(LanguageModelError, match="cannot be read"):
        binary.load(path)
    with pytest.raises(LanguageModelError, match="cannot be read"):
        binary.load(tmp_path / "absent.lm")


def sealed(whole: bytes, version: int, header: dict[str, object]) -> bytes:
    """The file with another header and a checksum that fits."""
    length = struct.unpack_from("<I", whole, 16)[0]
    written = json.dumps(header).encode().ljust(length)
    body = struct.pack("<II", version, len(written)) + written + whole[20 + length :]
    return whole[:8] + struct.pack("<I", zlib.crc32(body)) + body


def test_newer_files_and_files_that_contradict_themselves_are_told_so(tmp_path: Path) -> None:
    path = tmp_path / "a.lm"
    binary.save(train(babble(20, seed=1), NgramConfig(4)), path)
    whole = path.read_bytes()
    header = json.loads(whole[20 : 20 + struct.unpack_from("<I", whole, 16)[0]])
    path.write_bytes(sealed(whole, 1, header))
    assert binary.load(path).order == 4
    path.write_bytes(sealed(whole, 2, header))
    with pytest.raises(LanguageModelError, match="format 2; this recog reads up to 1: update recog"):
        binary.load(path)
    sizes = header["sizes"]
    swapped = [sizes[0], sizes[1] + 1, sizes[2] - 1, sizes[3]]
    for spoiled in ({"sizes": swapped}, {"sizes": []}, {"parts": header["parts"][:-1]}):
        path.write_bytes(sealed(whole, 1, header | spoiled))
        with pytest.raises(LanguageModelError, match="contradicts itself"):
            binary.load(path)
