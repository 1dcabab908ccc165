import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import tone_wave

from pipelines.lessons import Lessons, SpokenLesson, pieces, write_spoken
from pipelines.transcript import SpokenWord
from recog import audio, manifest
from recog.errors import InputError


def spoken(*extents: tuple[float, float]) -> tuple[SpokenWord, ...]:
    return tuple(SpokenWord(f"w{number}", *extent, 1.0) for number, extent in enumerate(extents))


def test_pieces_end_at_pauses_once_they_are_long_enough_and_before_they_are_too_long() -> None:
    words = spoken((0, 1), (1.5, 2), (2.1, 3.2), (3.3, 3.5), (4, 5), *((5 + step, 6 + step) for step in range(15)))
    found = [[word.text for word in group] for group in pieces(words)]
    # After w0 there is a pause, but only 1 s said; after w3 there are 3.5 s said and a pause of 0.5 s.
    # From 4 s on nobody pauses: the words to 19 s make 15 s.
    assert found == [[f"w{n}" for n in range(4)], [f"w{n}" for n in range(4, 19)], ["w19"]]


def test_corrections_of_a_recording_become_rows_that_training_reads(tmp_path: Path) -> None:
    left, right = tone_wave(400, 8), tone_wave(900, 8)
    soundfile.write(tmp_path / "call.wav", np.stack([left, right], axis=1), 16000)
    words = spoken((0.5, 2), (2.1, 4), (4.6, 6), (6.2, 7.9))
    lessons = [
        SpokenLesson("a call/1", tmp_path / "call.wav", words),
        SpokenLesson("other", tmp_path / "call.wav", words[:1], 2),
    ]
    told: list[float] = []
    assert write_spoken(lessons, tmp_path / "lessons.zip", told.append) == Lessons(3, 0)
    # 8 s twice: each read, which is half of it, then cut up to the end of its last piece (8 s, and 2.25 s of the second).
    assert told == sorted(told) and told[-1] == pytest.approx(8 + 8 / 2 + 2.25 / 2)
    assert {4.0, 8.0, 12.0} <= {round(one, 9) for one in told}
    with zipfile.ZipFile(tmp_path / "lessons.zip") as archive:
        archive.extractall(tmp_path / "out")
    rows = manifest.read(tmp_path / "out" / "train.jsonl")
    assert [row.id for row in rows] == [
        "audio/a_call_1-0001.flac",
        "audio/a_call_1-0002.flac",
        "audio/other-2-0001.flac",
    ]
    assert [row.text for row in rows] == ["w0 w1", "w2 w3", "w0"]
    # From a quarter of a second before 0.5 to one after 4.0; the pause until 4.6 is long enough for both.
    sound = audio.read(rows[0].path)
    assert rows[0].duration == len(sound) / 16000 == 4.0
    whole = audio.read(tmp_path / "call.wav")
    assert np.abs(sound - whole[4000:68000]).max() < 1e-4
    assert rows[0].fields["words"] == [
        {"text": "w0", "start": 0.25, "end": 1.75},
        {"text": "w1", "start": 1.85, "end": 3.75},
    ]
    assert rows[1].duration == pytest.approx(8 - 4.35)
    other = audio.read(rows[2].path)
    assert np.abs(other - right[4000:36000]).max() < 1e-4  # the second channel alone


def test_figures_are_learnt_as_the_words_that_were_said(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "call.wav", tone_wave(400, 12), 16000)
    words = (
        SpokenWord("We", 0.5, 1.0, 0.9),
        SpokenWord("saw", 1.0, 2.0, 0.9),
        SpokenWord("25,", 2.0, 4.0, 0.9, "twenty five"),
        # What somebody wrote: who knows whether it was said as "nineteen ten" or "nineteen hundred and ten"?
        SpokenWord("in", 6.0, 7.0, 1.0),
        SpokenWord("1910.", 7.0, 9.0, 1.0),
    )
    lesson = SpokenLesson("call", tmp_path / "call.wav", words)
    assert write_spoken([lesson], tmp_path / "lessons.zip") == Lessons(1, 1)
    with zipfile.ZipFile(tmp_path / "lessons.zip") as archive:
        archive.extractall(tmp_path / "out")
    [row] = manifest.read(tmp_path / "out" / "train.jsonl")
    assert row.text == "We saw twenty five"
    # Six of its ten letters are over when 1.2 of its 2 s are.
    assert row.fields["words"][2:] == [
        {"text": "twenty", "start": 1.75, "end": 2.95},
        {"text": "five", "start": 2.95, "end": 3.75},
    ]
    with pytest.raises(InputError, match="write them as the words that are said"):
        write_spoken([SpokenLesson("call", tmp_path / "call.wav", words[3:])], tmp_path / "lessons.zip")


def test_without_a_word_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "call.wav", tone_wave(), 16000)
    with pytest.raises(InputError, match="there is no word to train on"):
        write_spoken([SpokenLesson("x", tmp_path / "call.wav", ())], tmp_path / "lessons.zip")
