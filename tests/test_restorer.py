"""Marks against texts taken apart by hand, numbers against a table, and a restorer that learns a made-up language."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import spell_wave
from hypothesis import given
from hypothesis import strategies as st

from pipelines import SpeechPipeline
from pipelines.cli import main
from pipelines.restoring import RestoringConfig, train
from pipelines.transcript import SpokenWord, rewritten
from recog import checkpoint, restorer, text
from recog.errors import CheckpointError, ConfigError
from recog.marks import AFTER, CAPITAL, LOWER, UPPER, Marked, take_apart, written
from recog.models.tagger import Tagger, TaggerConfig, together
from recog.numerals import figures
from recog.restorer import AROUND, WINDOW, Restorer, features, pieces

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import train_restorer

SPOKEN = text.rule("spoken")
COMMA, POINT, QUESTION = (AFTER.index(mark) for mark in (",", ".", "?"))


def test_a_text_is_taken_apart_as_by_hand() -> None:
    found = take_apart('"Stop them," said Dr. O\u2019Brien \u2014 of NATO; a well-known place\u2026 Why?!" ', SPOKEN)
    assert found == [
        Marked("stop", CAPITAL),
        Marked("them", LOWER, COMMA),
        Marked("said"),
        Marked("dr", CAPITAL, POINT),
        Marked("o'brien", CAPITAL),
        Marked("of"),
        Marked("nato", UPPER, AFTER.index(";")),
        Marked("a"),
        Marked("well"),
        Marked("known"),
        Marked("place", LOWER, POINT),
        Marked("why", CAPITAL, QUESTION),
    ]
    assert take_apart("In 1892 he left.", SPOKEN) is None
    assert take_apart(" -- ", SPOKEN) == []
    assert take_apart("yes , no .", SPOKEN) == [Marked("yes", LOWER, COMMA), Marked("no", LOWER, POINT)]


words = st.text("abcdefghij", min_size=1, max_size=6)
marked = st.builds(Marked, words, st.sampled_from([LOWER, CAPITAL, UPPER]), st.integers(0, len(AFTER) - 1))


@given(st.lists(marked, max_size=8))
def test_what_is_written_is_taken_apart_again(found: list[Marked]) -> None:
    # A single capital letter is no word in capitals.
    found = [Marked(one.word, CAPITAL, one.after) if one.case == UPPER and len(one.word) == 1 else one for one in found]
    assert take_apart(" ".join(written(found)), SPOKEN) == found


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        ("in eighteen ninety two we saw two of them", "in 1892 we saw two of them"),
        ("three hundred and five men and twenty five women", "305 men and 25 women"),
        ("the twenty first of june nineteen oh five", "the 21st of june 1905"),
        ("two thousand and five", "2005"),
        ("one hundred thousand", "100,000"),
        ("one million two hundred thousand and three", "1,200,003"),
        ("nineteen hundred", "1900"),
        ("the one hundred and twelfth", "the 112th"),
        ("five six or one two three", "five six or one two three"),
        ("twenty men and one", "twenty men and one"),
        ("two hundred and we went", "200 and we went"),
        ("a hundred of the first", "a hundred of the first"),
        ("twenty twenty five", "2025"),
        ("hundred thousand", "hundred thousand"),
    ],
)
def test_numbers_are_written_in_figures(spoken: str, expected: str) -> None:
    said, found, place = spoken.split(), [], 0
    for figure in figures(said):
        found += [*said[place : figure.first], figure.text]
        place = figure.last
    assert " ".join([*found, *said[place:]]) == expected


def spell(number: int) -> str:
    """A slow twin: any number below a million in words."""
    units = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    units += " seventeen eighteen nineteen"
    tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    if number < 20:
        return units.split()[number]
    if number < 100:
        return tens[number // 10] + (f" {spell(number % 10)}" if number % 10 else "")
    for scale, name in ((1000, "thousand"), (100, "hundred")):
        if number >= scale:
            rest = number % scale
            return f"{spell(number // scale)} {name}" + (
                f" and {spell(rest)}" if 0 < rest < 100 else f" {spell(rest)}" if rest else ""
            )
    raise AssertionError


@given(st.integers(21, 999_999).filter(lambda number: len(spell(number).split()) > 1))
def test_every_number_below_a_million(number: int) -> None:
    said = spell(number).split()
    assert [(one.first, one.last, one.text.replace(",", "")) for one in figures(said)] == [(0, len(said), str(number))]


def test_each_row_of_a_batch_is_tagged_as_if_alone() -> None:
    torch.manual_seed(0)
    tagger = Tagger(TaggerConfig(buckets=64, width=8, hidden=6)).eval()
    rows = [[features(word, 64) for word in line.split()] for line in ("we read the old letters", "why", "so it is")]
    scores = tagger(*together(rows))
    assert [tuple(one.shape) for one in scores] == [(3, 5, 3), (3, 5, 7)]
    for number, row in enumerate(rows):
        for one, alone in zip(scores, tagger(*together([row])), strict=True):
            assert (one[number, : len(row)] - alone[0]).abs().max() < 1e-5
    with pytest.raises(ConfigError, match="must be at least 1"):
        TaggerConfig(layers=0)


def test_windows_of_a_long_text_are_joined_without_a_gap() -> None:
    torch.manual_seed(0)
    found = Restorer(Tagger(TaggerConfig(buckets=64, width=8, hidden=6, layers=1)))
    spoken = [f"w{number % 50}" for number in range(2 * WINDOW + 7)]
    assert [one.word for one in found.marks(spoken)] == spoken
    pieces = found.restore(spoken)
    assert [one.first for one in pieces] == [0, *(one.last for one in pieces[:-1])]
    assert pieces[-1].last == len(spoken)
    assert found.restore([]) == []
    # What is far from a window's edges is known as well as in one piece.
    tagger, rows = found.tagger, [[features(word, 64) for word in spoken[: WINDOW - AROUND]]]
    whole = [scores[0].argmax(1).tolist() for scores in tagger(*together(rows))]
    middle = range(WINDOW - 2 * AROUND - 5)
    assert [found.marks(spoken)[at].after for at in middle] == [whole[1][at] for at in middle]


class Fixed(Restorer):
    """Marks as they are given."""

    def __init__(self, found: list[Marked]) -> None:
        self.found = found

    def marks(self, words: object) -> list[Marked]:
        return self.found


def test_a_figure_stands_for_its_words_unless_a_mark_parts_them() -> None:
    said = ["in", "eighteen", "ninety", "two", "twenty", "five", "men"]
    found = [Marked(word) for word in said]
    found[0], found[3] = Marked("in", CAPITAL), Marked("two", LOWER, COMMA)
    assert [(one.text, one.first, one.last) for one in Fixed(found).restore(said)] == [
        ("In", 0, 1),
        ("1892,", 1, 4),
        ("25", 4, 6),
        ("men", 6, 7),
    ]
    found[1] = Marked("eighteen", LOWER, COMMA)  # eighteen, ninety-two, ...
    assert [one.text for one in Fixed(found).restore(said)][:3] == ["In", "eighteen,", "ninety"]


def made_up(count: int) -> str:
    """Paragraphs in which names are capitals, sentences begin with so or why, and "but" has a comma before it."""
    rng, lines = np.random.default_rng(0), []
    for _ in range(count):
        line = []
        for _ in range(4):
            why = rng.random() < 0.4
            words = ["Why" if why else "So", *rng.choice(["red", "old", "Anna", "Bert", "sees", "walks"], 4).tolist()]
            words[2] += ","
            words.insert(3, "but")
            line.append(" ".join(words) + ("?" if why else "."))
        lines.append(" ".join(line))
    return "\n".join(lines)


def test_a_restorer_learns_and_is_kept_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text(made_up(1100))
    out = tmp_path / restorer.FILE
    config = RestoringConfig(updates=300, passage=24, batch=8, peak_rate=1e-2, precision="fp32")
    measured = train([tmp_path / "text.txt"], out, config, TaggerConfig(buckets=128, width=16, hidden=16, dropout=0.0))
    assert measured.marks["sentence"][2] > 0.98
    assert [line.split()[0] for line in measured.table()][1:3] == ["case", "sentence"]
    found = restorer.load(out)
    said = ["so", "old", "anna", "but", "sees", "bert", "so", "anna", "sees", "but", "walks", "red"]
    assert (
        " ".join(one.text for one in found.restore(said)) == "So old Anna, but sees Bert. So Anna sees, but walks red."
    )
    half = out.read_bytes()
    out.write_bytes(half[: len(half) // 2])
    with pytest.raises(CheckpointError, match="is damaged"):
        restorer.load(out)
    (tmp_path / "short.txt").write_text("Too little.\n")
    assert train_restorer.main([str(tmp_path / "short.txt"), "--out", str(out)]) == 1
    assert "give more text" in capsys.readouterr().err


def test_a_bundle_writes_what_it_hears_as_people_do(
    tmp_path: Path, spoken_file: Path, trained_speech_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(3)
    bundle = replace(
        checkpoint.load(trained_speech_bundle), restorer=Restorer(Tagger(TaggerConfig(buckets=64, width=8, hidden=6)))
    )
    checkpoint.save(bundle, tmp_path / "bundle")
    plain = SpeechPipeline.load(trained_speech_bundle)(spoken_file)
    found = SpeechPipeline.load(tmp_path / "bundle")(spoken_file)
    assert (plain.text, plain.spoken) == ("dab c", "")
    assert "spoken" not in plain.as_json()
    assert found.spoken == found.as_json()["spoken"] == "dab c"
    assert found.text != "dab c"
    assert found.text.translate({ord(mark): None for mark in ",.?!;:"}).lower() == "dab c"
    assert [(word.start, word.end) for word in found.words] == [(word.start, word.end) for word in plain.words]
    assert main(["transcribe", str(spoken_file), "--bundle", str(tmp_path / "bundle"), "--spoken"]) == 0
    assert capsys.readouterr().out.strip() == "dab c"


@pytest.fixture
def spoken_file(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "said.wav", spell_wave("dab c"), 8000)
    return tmp_path / "said.wav"


def test_a_figure_lasts_as_long_as_its_words() -> None:
    said = [SpokenWord(word, at, at + 0.5, 0.9 - at / 10) for at, word in enumerate(["twenty", "five", "men"])]
    marked = [Marked("twenty"), Marked("five", LOWER, COMMA), Marked("men")]
    found = rewritten(said, pieces(marked))
    assert [(one.text, one.start, one.end) for one in found] == [("25,", 0, 1.5), ("men", 2, 2.5)]
    assert found[0].confidence == pytest.approx(0.8)
