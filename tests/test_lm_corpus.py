"""Running text to sentences: tables of what becomes of what; and the door from text to a model file."""

import gzip
import json
import lzma
import sys
from pathlib import Path

import numpy as np
import pytest
from test_lm_train import babble

from pipelines.language_model import load_language_model, train_language_model
from recog.errors import ConfigError, LanguageModelError
from recog.lm import arpa, binary
from recog.lm.corpus import Corpus, broken, sentences, unquoted
from recog.lm.ngram import Perplexity
from recog.lm.train import NgramConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from train_lm import main


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("He came. She went! Who? I.", ["He came.", "She went!", "Who?", "I."]),
        (
            '"Stop." "Why?" he said. Then (quietly.) He left.',
            ['"Stop.', '"Why?" he said.', "Then (quietly.", "He left."],
        ),
        ("Mr. Smith saw Dr. J. H. Watson, i.e. him.", ["Mister Smith saw Doctor J H Watson, i.e. him."]),
        ("than I. He wrote 3.5 pages ... and more", ["than I.", "He wrote 3.5 pages ... and more"]),
        ("St. Ives, Capt. Cook and Mrs Hudson", ["Saint Ives, Capt Cook and Missus Hudson"]),
    ],
)
def test_paragraphs_become_sentences(paragraph: str, expected: list[str]) -> None:
    assert sentences(paragraph) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("don't o'clock rock 'n' roll", "don't o'clock rock n roll"),
        ("'tis said 'go to the dogs' and so on", "'tis said go to the dogs and so on"),
        ("the dogs' bowl o' water", "the dogs' bowl o' water"),
        ("he said 'the dogs' and 'the cats'", "he said the dogs and the cats"),
        ("' ''", ""),
    ],
)
def test_quotation_marks_are_told_from_apostrophes(sentence: str, expected: str) -> None:
    assert unquoted(sentence) == expected


def write(path: Path, text: str) -> Path:
    pack = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(text.encode()))
    return path


def test_the_spoken_rule_leaves_out_what_is_not_said_as_written(tmp_path: Path) -> None:
    text = "He paid 5 pounds. She—Mr. Bell's fiancée—_smiled_.\n\nSmith & Co. A well-known café… It is ½ full. So Ἀχιλλεύς sang.\n"
    corpus = Corpus([write(tmp_path / "a.txt.xz", text)], "spoken")
    assert list(corpus) == ["she mister bell's fiancee smiled", "a well known cafe"]
    assert dict(corpus.left_out) == {
        "figures or signs that are not said as they are written": 3,
        "letters beyond a to z": 1,
    }


def test_other_rules_keep_lines_and_break_long_ones_as_on_a_page(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt.gz", "L’été  1914, à Paris.\n\n  Chère mère — merci\n")
    assert list(Corpus([path], "strict")) == ["L'été 1914, à Paris.", "Chère mère - merci"]
    assert list(Corpus([path], "strict", line_characters=12)) == ["L'été 1914,", "à Paris.", "Chère mère -", "merci"]


@pytest.mark.parametrize(
    ("line", "characters", "expected"),
    [
        ("aa bb cc", 5, ["aa bb", "cc"]),
        ("aa bb cc", 4, ["aa", "bb", "cc"]),
        ("aaaaaaaa b", 3, ["aaaaaaaa", "b"]),
        ("aaaaaaaa", 3, ["aaaaaaaa"]),
        ("", 3, [""]),
    ],
)
def test_lines_break_between_words(line: str, characters: int, expected: list[str]) -> None:
    assert list(broken(line, characters)) == expected


def test_manifests_give_their_texts_and_bad_files_are_told_so(tmp_path: Path) -> None:
    rows = [{"audio": "a.wav", "text": "One two"}, {"audio": "b.wav", "text": "three"}]
    path = write(tmp_path / "rows.jsonl", "\n".join(json.dumps(row) for row in rows))
    assert list(Corpus([path], "spoken")) == ["one two", "three"]
    (tmp_path / "latin.txt").write_bytes("ok\nété\n".encode("latin-1"))
    with pytest.raises(LanguageModelError, match=r"line 2 of .*latin\.txt is not UTF-8"):
        list(Corpus([tmp_path / "latin.txt"], "raw"))
    write(tmp_path / "bad.jsonl", '{"text": "a"}\n{"words": "b"}\n')
    with pytest.raises(LanguageModelError, match=r"line 2 of .*bad\.jsonl is no JSON object with a text"):
        list(Corpus([tmp_path / "bad.jsonl"], "raw"))
    with pytest.raises(LanguageModelError, match=r"absent\.txt cannot be read"):
        list(Corpus([tmp_path / "absent.txt"], "raw"))


def test_from_text_to_a_model_file_through_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = write(tmp_path / "text.txt", "\n".join(babble(200, seed=1)))
    call = [str(text), "--text-rule", "strict", "--order", "3", "--most", "300"]
    assert main([*call, "--out", str(tmp_path / "a.lm")]) == 0
    assert main([*call, "--out", str(tmp_path / "a.arpa.gz")]) == 0
    told = capsys.readouterr()
    small, exact = load_language_model(tmp_path / "a.lm"), load_language_model(tmp_path / "a.arpa.gz", "strict")
    assert f"order 3, {len(small.words)} words, {sum(small.sizes)} n-grams" in told.out
    assert "MB" in told.err
    assert (small.words, small.sizes, small.text_rule) == (exact.words, exact.sizes, "strict")
    # An ARPA file turned into the compact form is the same model again.
    assert main([str(tmp_path / "a.arpa.gz"), "--text-rule", "strict", "--out", str(tmp_path / "b.lm")]) == 0
    line = babble(200, seed=1)[7].split()
    turned = binary.load(tmp_path / "b.lm")
    np.testing.assert_allclose(turned.score(line), exact.score(line), atol=0.08)
    np.testing.assert_allclose(turned.score(line), small.score(line), atol=0.08)


def test_texts_are_mixed_as_foretells_the_tune_rows_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [str(write(tmp_path / f"{seed}.txt", "\n".join(babble(200, seed)[:150]))) for seed in (1, 2)]
    rows = [("tune", line) for line in babble(200, seed=2)[150:]] + [("report", line) for line in babble(200, seed=1)]
    manifest = "\n".join(json.dumps({"image": "a.png", "text": line, "part": part}) for part, line in rows)
    tune = str(write(tmp_path / "dev.jsonl", manifest))
    assert main([*texts, "--text-rule", "strict", "--tune", tune, "--out", str(tmp_path / "a.lm")]) == 0
    weights = capsys.readouterr().err.split("weights of the texts: ")[1].split()[:2]
    assert float(weights[1]) > 0.9
    assert main([*texts, "--weights", "0.5", "--out", str(tmp_path / "b.lm")]) == 1
    assert "2 texts to mix, but 1 weights" in capsys.readouterr().err


def test_the_pipeline_trains_what_the_config_says(tmp_path: Path) -> None:
    text = write(tmp_path / "text.txt", "aa bb.\naa cc.\n" * 30)
    model = train_language_model([text], tmp_path / "a.arpa", NgramConfig(4, "character", "spoken"))
    measured = arpa.read(tmp_path / "a.arpa").perplexity(["aa bb", "aa cc"])
    assert isinstance(measured, Perplexity)
    # Only the letter after "aa " is open, with two choices: 2 of 12 steps cost a factor of 2.
    assert model.perplexity(["aa bb", "aa cc"]).value == pytest.approx(2 ** (2 / 12), abs=0.1)
    assert measured.value == pytest.approx(model.perplexity(["aa bb", "aa cc"]).value, rel=1e-4)


def test_refusals_are_one_sentence_and_a_failing_exit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent.txt"), "--out", str(tmp_path / "a.lm")]) == 1
    assert "absent.txt cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "a.lm").exists()
    with pytest.raises(ConfigError, match="name at least one file"):
        train_language_model([], tmp_path / "a.lm", NgramConfig())
