"""Known texts put into built recordings and pictures, whose every letter has a known place."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import LETTER_TONES_HZ, SPOKEN_TEXTS, TINY_SPEECH, WRITTEN_TEXTS, draw_line, random_bundle, spell_wave
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipelines.aligning import align_files, cut_files, text_of
from pipelines.alignment import SpeechAligner
from pipelines.cli import main
from pipelines.picture_alignment import PictureAligner
from pipelines.sentences import CutOptions
from recog import audio, checkpoint, manifest
from recog.audio import mel_bank
from recog.errors import ConfigError, InputError
from recog.formats import ctm, srt, textgrid
from recog.recognizer import Recognizer

RATE_HZ = TINY_SPEECH.rate_hz
FOREIGN_HZ = 3300.0
PAUSE = np.zeros(RATE_HZ // 2, np.float32)


def hear_tones(recognizer: Recognizer, features: Sequence[Tensor]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """A network built by hand, in place of Recognizer.looks: the letter whose tone stands out, else blank or space.

    e is a letter that no text holds: foreign sound.
    """
    tones = [*LETTER_TONES_HZ.values(), FOREIGN_HZ]
    bank = mel_bank(RATE_HZ, 256, TINY_SPEECH.mel_bands, TINY_SPEECH.low_hz, TINY_SPEECH.high_hz, 1.0)
    bands = [int(bank[:, round(hz * 256 / RATE_HZ)].argmax()) for hz in tones]
    for number, matrix in enumerate(features):
        x = matrix[:: recognizer.shortening].numpy()[:, bands]
        probabilities = np.full((len(x), 2 + len(bands)), 0.01)
        loud = x.max(axis=1) > 0.5
        probabilities[~loud, 0], probabilities[~loud, 1] = 0.85, 0.10
        probabilities[loud, 2 + x[loud].argmax(axis=1)] = 0.94
        yield number, np.log(probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)[None]


@pytest.fixture(autouse=True)
def _ears(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "spoken_bundle" in request.fixturenames:
        monkeypatch.setattr(Recognizer, "looks", hear_tones)


@pytest.fixture(scope="module")
def spoken_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained, for `hear_tones` to stand in."""
    folder = tmp_path_factory.mktemp("tones") / "bundle"
    checkpoint.save(random_bundle(TINY_SPEECH, " abcde", "spoken"), folder)
    return folder


@pytest.fixture
def speaker(spoken_bundle: Path) -> SpeechAligner:
    return SpeechAligner.load(spoken_bundle)


@pytest.fixture(scope="module")
def reader(trained_handwriting_bundle: Path) -> PictureAligner:
    return PictureAligner.load(trained_handwriting_bundle)


def times_of(text: str) -> list[tuple[str, float, float]]:
    """The words of a `spell_wave`: letter number n sounds from 0.04 + 0.12 n for 0.08 s."""
    found, place = [], 0
    for word in text.split(" "):
        found.append((word, 0.04 + 0.12 * place, 0.12 * (place + len(word))))
        place += len(word) + 1
    return found


@pytest.mark.parametrize("text", SPOKEN_TEXTS)
def test_word_times(speaker: SpeechAligner, text: str) -> None:
    alignment = speaker.align(spell_wave(text), text)
    for word, (expected, start, end) in zip(alignment.placed, times_of(text), strict=True):
        assert word.text == expected
        # A frame is 0.02 s; tones swell and fade within 0.08 s.
        assert word.start == pytest.approx(start, abs=0.061)
        assert word.end == pytest.approx(end, abs=0.061)
        assert word.confidence is not None and word.confidence > 0.5
        assert [one.text for one in word.characters] == list(expected)
        edges = [edge for one in word.characters for edge in (one.start, one.end)]
        assert edges == sorted(edges) and (edges[0], edges[-1]) == (word.start, word.end)
        for number, one in enumerate(word.characters):
            assert one.start <= start + 0.12 * number + 0.06 and one.end >= start + 0.12 * number + 0.02


def test_the_spelling_stays_and_figures_stand_between_their_neighbours(speaker: SpeechAligner) -> None:
    # "dab c" is said; the signs between have no labels.
    alignment = speaker.align(spell_wave("dab c"), "DAB’ 7 — C!")
    assert [word.text for word in alignment.placed] == ["DAB’", "7", "—", "C!"]
    before, figure, dash, after = alignment.placed
    assert (figure.confidence, dash.confidence) == (None, None)
    assert before.end <= figure.start <= figure.end <= dash.start <= dash.end <= after.start


def long_recording() -> tuple[np.ndarray, str, list[tuple[float, float]]]:
    """Sentences with pauses; the second is not spoken, the third holds a figure, a foreign tone stands before the last."""
    said = [spell_wave("dab c"), PAUSE, spell_wave("bad c"), PAUSE, spell_wave("cabb"), PAUSE]
    hum = np.sin(np.arange(RATE_HZ) * 2 * np.pi * FOREIGN_HZ / RATE_HZ).astype(np.float32) * 0.1
    sound = np.concatenate([*said, hum, PAUSE, spell_wave("add b"), PAUSE])
    lengths = np.cumsum([0, *(len(piece) for piece in said), len(hum), len(PAUSE), len(spell_wave("add b"))]) / RATE_HZ
    places = [(lengths[0], lengths[1]), (lengths[2], lengths[3]), (lengths[4], lengths[5]), (lengths[8], lengths[9])]
    return sound, "Dab C! DDDDDDDDDDDDDD ddddd dd.\nBad 7 C! Cabb? Add\nB! £ 3.", places


def test_a_long_recording_becomes_sentences(speaker: SpeechAligner, spoken_bundle: Path, tmp_path: Path) -> None:
    sound, text, places = long_recording()
    soundfile.write(tmp_path / "book.wav", sound, RATE_HZ)
    (tmp_path / "book.txt").write_text(text, encoding="utf-8")
    folder = tmp_path / "rows"
    (outcome,) = cut_files([tmp_path / "book.wav"], None, folder, spoken_bundle)
    assert (outcome.failure, outcome.content.split(": ", 1)[1]) == ("", "3 rows, 0.0 min; 3 left out\n")
    rows = manifest.read(folder / "manifest.jsonl")
    assert [row.text for row in rows] == ["Dab C!", "Cabb?", "Add B!"]
    waveform = audio.read(tmp_path / "book.wav", RATE_HZ)
    for row, (start, end) in zip(rows, [places[0], places[2], places[3]], strict=True):
        # All of the sentence's tones (they end 0.04 s before the piece does) and none of a neighbour's.
        assert start - 0.25 <= row.fields["start"] <= start + 0.1
        assert end - 0.1 <= row.fields["end"] <= end + 0.25
        clip = audio.read(row.path, RATE_HZ)
        first = round(row.fields["start"] * RATE_HZ)
        assert np.array_equal(clip, waveform[first : first + len(clip)])
        assert row.duration == pytest.approx(len(clip) / RATE_HZ, abs=1e-3)
        assert row.fields["confidence"] > 0.2
    missing = [json.loads(line) for line in (folder / "left_out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(one["text"], one["reason"].split(",")[0]) for one in missing] == [
        ("DDDDDDDDDDDDDD ddddd dd.", "not heard in the recording"),
        ("Bad 7 C!", "holds '7'"),
        ("£ 3.", "holds nothing that the bundle can spell"),
    ]
    assert missing[1]["heard"] == "badc"  # these ears know no spaces
    assert not list(folder.rglob("*.partial"))
    kept = list(cut_files([tmp_path / "book.wav"], None, folder, spoken_bundle, None, CutOptions(keep_unspelled=True)))
    assert "4 rows" in kept[0].content
    strict = CutOptions(least_confidence=1.0)
    (outcome,) = cut_files([tmp_path / "book.wav"], None, folder, spoken_bundle, None, strict)
    assert all(row.fields["confidence"] == 1.0 for row in manifest.read(folder / "manifest.jsonl"))
    assert "something else is heard" in " ".join(outcome.notes)


def test_sentences_that_are_too_long_are_parted_at_pauses(spoken_bundle: Path, tmp_path: Path) -> None:
    # Eight texts of half a second, half a second apart, as one sentence of 8 s; a comma after the third.
    sound = np.concatenate([part for text in SPOKEN_TEXTS for part in (spell_wave(text), PAUSE)])
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ)
    text = " ".join(SPOKEN_TEXTS[:3]) + ", " + " ".join(SPOKEN_TEXTS[3:]) + "."
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    choice = CutOptions(longest_seconds=5.5)
    (outcome,) = cut_files([tmp_path / "a.wav"], None, tmp_path, spoken_bundle, None, choice)
    assert outcome.failure == ""
    assert [row.text for row in manifest.read(tmp_path / "manifest.jsonl")] == text.replace(", ", ",|").split("|")


def test_formats(spoken_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a b.wav", spell_wave("dab c"), RATE_HZ)
    (tmp_path / "a b.txt").write_text("Dab c.", encoding="utf-8")
    call = ["align", "--bundle", str(spoken_bundle), str(tmp_path / "a b.wav")]
    assert main(call) == 0
    told = json.loads(capsys.readouterr().out)
    words = [(word["text"], word["start"], word["end"]) for word in told["words"]]
    assert [word for word, _, _ in words] == ["Dab", "c."]
    assert told["duration"] == pytest.approx(0.64)
    assert main([*call, "--format", "ctm"]) == 0
    (recording,) = ctm.loads(capsys.readouterr().out)
    assert (recording.name, [(w.text, w.start, w.end) for w in recording.words]) == ("a_b", words)
    assert main([*call, "--format", "srt"]) == 0
    (cue,) = srt.loads(capsys.readouterr().out)
    assert (cue.text, cue.start, cue.end) == ("Dab c.", words[0][1], words[1][2])
    assert main([*call, "--format", "textgrid", "--out", str(tmp_path / "out")]) == 0
    grid = textgrid.read(tmp_path / "out" / "a b.TextGrid")
    assert [(one.text, one.start, one.end) for one in grid.tiers[0].pieces] == words
    assert [tier.name for tier in grid.tiers] == ["words", "characters"]
    assert [one.text for one in grid.tiers[1].pieces] == list("Dabc")


def test_bad_input_is_told_in_a_sentence_and_the_good_is_finished(
    spoken_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds = {"good": spell_wave("dab c"), "empty": PAUSE, "long": spell_wave("a"), "silent": PAUSE, "odd": PAUSE + 0.1}
    texts = {"good": "dab c", "empty": " \n", "long": "abcd " * 40, "silent": "ab", "odd": "1860 €", "damaged": "ab"}
    for name, sound in sounds.items():
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE_HZ)
    (tmp_path / "damaged.wav").write_bytes(b"RIFF____WAVE")
    soundfile.write(tmp_path / "textless.wav", PAUSE, RATE_HZ)
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    names = ["empty", "long", "silent", "odd", "damaged", "textless", "good"]
    files = [str(tmp_path / f"{name}.wav") for name in names]
    assert main(["align", "--bundle", str(spoken_bundle), *files]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["file"].endswith("good.wav")
    lines = shown.err.splitlines()
    for line, name, words in zip(
        lines,
        names,
        [
            "text is empty",
            "text is too long for its sound",
            "is silent",
            "holds nothing that bundle",
            "damaged.wav",
            "no text",
        ],
        strict=False,
    ):
        assert name in line and words in line, line
    assert lines[-1] == "recog align: 6 of 7 files failed"


def test_a_text_that_is_another_altogether_is_refused(speaker: SpeechAligner) -> None:
    with pytest.raises(InputError, match=r"none of the text's 2 sentences is heard in the 0\.6 s of sound"):
        speaker.align(spell_wave("dab c"), "Bbbbbbbbbbbbb bbbbbbbbbbbbbbbb. Bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.")


def test_calls_that_cannot_be_meant_are_refused(spoken_bundle: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.wav", tmp_path / "b.wav"]
    with pytest.raises(ConfigError, match="is the text of one file, but 2 came"):
        list(align_files(files, tmp_path / "a.txt", bundle=spoken_bundle))
    with pytest.raises(ConfigError, match="the same name without its ending"):
        list(cut_files([tmp_path / "a.wav", tmp_path / "a.mp3"], None, tmp_path, spoken_bundle))
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match="cannot be read as UTF-8"):
        text_of(tmp_path / "a.wav")
    for options in ({"least_confidence": 2.0}, {"longest_seconds": 0.1}):
        with pytest.raises(ConfigError, match="sentences: "):
            CutOptions(**options)


def ink_edges(picture: Image.Image) -> tuple[int, int]:
    columns = np.flatnonzero((np.asarray(picture) < 128).any(axis=0))
    return int(columns[0]), int(columns[-1])


def test_boxes_on_a_line(reader: PictureAligner, tmp_path: Path) -> None:
    line = draw_line("a pal")
    line.save(tmp_path / "line.png")
    page = reader(tmp_path / "line.png", "a  pal")
    ((first, second),) = [one.words for one in page.lines]
    assert (first.text, second.text, page.width, page.height) == ("a", "pal", *line.size)
    # The oracle: pictures of the words alone, and where the second begins.
    one, other = ink_edges(draw_line("a")), ink_edges(line)
    assert first.box[0] <= one[0] + 3 and abs(first.box[2] - one[1]) <= 8
    assert abs(second.box[2] - other[1]) <= 8 and first.box[2] <= second.box[0] + 1
    assert [character.text for character in second.characters] == ["p", "a", "l"]
    lefts = [character.box[0] for character in second.characters]
    assert lefts == sorted(lefts) and lefts[0] == second.box[0]


def test_boxes_on_a_page(reader: PictureAligner, tmp_path: Path) -> None:
    page = Image.new("L", (260, 60 * 6), 240)
    for number, text in enumerate(WRITTEN_TEXTS[:4]):
        page.paste(draw_line(text, size=36), (30, 60 * number + 50))
    page.save(tmp_path / "page.png")
    text = "\n\n".join(WRITTEN_TEXTS[:4])
    aligned = reader(tmp_path / "page.png", text)
    assert [line.text for line in aligned.lines] == list(WRITTEN_TEXTS[:4])
    for number, line in enumerate(aligned.lines):
        for word in line.words:
            assert 60 * number + 40 <= word.box[1] < word.box[3] <= 60 * number + 120
            assert line.box[0] - 1 <= word.box[0] < word.box[2] <= line.box[2] + 1
    with pytest.raises(InputError, match="the page shows 4 lines of writing, but its text has 3"):
        reader(tmp_path / "page.png", "\n".join(WRITTEN_TEXTS[:3]))
    with pytest.raises(InputError, match="line 1 of the text, '№', holds nothing"):
        reader(tmp_path / "page.png", "№\n" + "\n".join(WRITTEN_TEXTS[1:4]))
    with pytest.raises(InputError, match="line 2 of the text is too long for its picture"):
        reader(tmp_path / "page.png", f"a\n{'loop' * 100}\na\na")
    with pytest.raises(InputError, match="the text is empty"):
        reader(tmp_path / "page.png", " \n")


def test_a_picture_has_no_times(trained_handwriting_bundle: Path, tmp_path: Path) -> None:
    draw_line("loop").save(tmp_path / "a.png")
    (tmp_path / "a.gt.txt").write_text("loop", encoding="utf-8")
    (good,) = align_files([tmp_path / "a.png"], bundle=trained_handwriting_bundle)
    assert json.loads(good.content)["lines"][0]["words"][0]["text"] == "loop"
    (bad,) = align_files([tmp_path / "a.png"], form="srt", bundle=trained_handwriting_bundle)
    assert "a picture has boxes, which format srt cannot hold" in bad.failure
    (bad,) = cut_files([tmp_path / "a.png"], None, tmp_path / "o", trained_handwriting_bundle)
    assert "only recordings are cut into sentences" in bad.failure


def test_the_wrong_kind_of_bundle_is_refused(spoken_bundle: Path, trained_handwriting_bundle: Path) -> None:
    with pytest.raises(ConfigError, match="needs a speech bundle"):
        SpeechAligner.load(trained_handwriting_bundle)
    with pytest.raises(ConfigError, match="needs a handwriting bundle"):
        PictureAligner.load(spoken_bundle)
