"""Strings of words with known joins, and errors against them."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import TINY_SPEECH, random_bundle, spell_wave

from pipelines import word_times
from pipelines.joined_words import WAYS, Joined, join, trimmed
from pipelines.word_times import Clock, Found, Heard
from recog import manifest
from recog.activity import loudness
from recog.ctc.hypothesis import Hypothesis, Span, Word
from recog.ctc.timing import Timing
from recog.errors import ConfigError
from recog.manifest import Row
from scripts.measure_times import main

RATE = TINY_SPEECH.rate_hz
WORDS = ("ab", "cad", "dab", "abba", "c", "bad", "add")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """21 single words each of two speakers, with 40 ms of silence around."""
    folder = tmp_path_factory.mktemp("words")
    lines = []
    for speaker in ("x", "y"):
        for number in range(21):
            text = WORDS[number % len(WORDS)]
            name = f"{speaker}{number}.wav"
            soundfile.write(folder / name, spell_wave(text, RATE), RATE)
            lines.append({"audio": name, "text": text, "speaker": speaker, "part": "tune"})
    (folder / "words.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return folder / "words.jsonl"


def test_joined_words_are_where_the_borders_say(rows: Path) -> None:
    strings = join(manifest.read(rows), RATE, strings=4)
    assert {one.way for one in strings if one.speaker == "x"} == set(WAYS)
    for one in strings:
        assert len(one.words) == len(one.borders) >= 3
        edges = [edge for border in one.borders for edge in border]
        assert edges == sorted(edges)
        for text, (start, end) in zip(one.words, one.borders, strict=True):
            said = one.waveform[round(start * RATE) : round(end * RATE)]
            expected = spell_wave(text, RATE) if one.way == "as recorded" else trimmed(spell_wave(text, RATE), RATE)
            assert np.abs(said - expected).max() < 1e-3  # 16 bits
        gaps = [two[0] - one[1] for one, two in zip(one.borders, one.borders[1:], strict=False)]
        assert all(0.04 < gap < 0.41 for gap in gaps) if "between" in one.way else not any(gaps)
    assert [one.borders for one in join(manifest.read(rows), RATE, strings=4)] == [one.borders for one in strings]


def test_a_word_is_trimmed_to_its_sound() -> None:
    # Silence, 300 samples of sound from sample 160 on, silence; steps of 80 samples.
    wave = np.zeros(1000, np.float32)
    wave[160:460] = 0.5
    assert np.array_equal(trimmed(wave, RATE), wave[160:480])
    assert np.array_equal(trimmed(np.zeros(1000, np.float32), RATE), np.zeros(1000, np.float32))


def test_too_few_words_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 rows make no string"):
        join([Row("a", Path("a"), "audio", "a"), Row("b", Path("b"), "audio", "b")], RATE)


def heard(borders: tuple[tuple[float, float], ...]) -> Heard:
    wave = np.full(round((borders[-1][1] + 0.1) * RATE), 1e-4, np.float32)
    for start, end in borders:
        wave[round(start * RATE) : round(end * RATE)] = 0.5
    joined = Joined(wave, ("ab",) * len(borders), borders, "glued", "x")
    return Heard(joined, np.zeros((0, 0), np.float32), loudness(wave, TINY_SPEECH))


CLOCK = Clock(2, 0.01)


def test_errors_are_what_is_said_less_what_is_true() -> None:
    one = heard(((0.1, 0.4), (0.6, 0.9), (1.1, 1.5)))
    # Frames of 20 ms. Of the three words the middle one was not recognised; the others are spikes amid them.
    found = Found(one, (0, 2), ((10, 12), (60, 64)), (0, 1))
    assert np.abs(word_times.errors(found, Timing(), CLOCK)) == pytest.approx(np.zeros((2, 2)), abs=0.0101)
    nothing_quiet = Timing(quiet=0.0, onset=0.0, release=0.0)
    # 0.20 - 0.1 and 0.24 - 0.4; 1.20 - 1.1 and 1.28 - 1.5; but words far apart keep within 0.3 s of their frames
    assert word_times.errors(found, nothing_quiet, CLOCK) == pytest.approx(np.array([[0.1, -0.16], [0.1, -0.22]]))


def test_tuning_finds_settings_that_fit() -> None:
    found = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        starts = np.cumsum(random.uniform(0.3, 0.5, 5))
        borders = tuple((float(start), float(start + 0.25)) for start in starts)
        frames = tuple((round((start + 0.1) / 0.02), round((start + 0.14) / 0.02)) for start, _ in borders)
        found.append(Found(heard(borders), tuple(range(5)), frames, tuple(range(5))))
    bad = Timing(quiet=0.0, onset=0.0, release=0.0)
    before, after = (
        word_times.accuracy("all", found, timing, CLOCK) for timing in (bad, word_times.tune(found, bad, CLOCK))
    )
    assert before.median > 0.05
    assert after.median < 0.015
    assert after.interval[0] <= after.median <= after.interval[1]
    assert (after.words, after.matched) == (30, 30)


def test_only_words_that_match_are_measured() -> None:
    bundle = random_bundle(TINY_SPEECH, " abcd", "spoken")
    one = heard(((0.1, 0.4), (0.6, 0.9)))  # "ab ab"
    spans = tuple(Span(place, place + 1, 1.0) for place in (10, 12, 14, 35, 37))
    hypothesis = Hypothesis((4, 1, 2, 2, 3), spans, 0.0, (Word("c", 0, 1, 1.0), Word("ab", 3, 5, 1.0)))
    (found,) = word_times.matching(bundle, [one], [hypothesis])
    assert (found.frames, len(found.places), found.matched) == (((10, 11), (35, 38)), 1, (1,))


def test_measured_from_the_command_line(
    rows: Path, random_speech_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "times.json"
    assert main([str(random_speech_bundle), str(rows), "--part", "tune", "--strings", "2", "--json", str(out)]) == 0
    figures = json.loads(out.read_text(encoding="utf-8"))["figures"]
    words = figures["true text"][0]
    assert words["matched"] == words["words"] == sum(way["words"] for way in figures["true text"][1:]) > 11
    assert 0 <= words["interval"][0] <= words["median"] <= min(words["interval"][1], words["ninety"])
    assert "timing by default" in capsys.readouterr().out
    assert main([str(random_speech_bundle), str(tmp_path / "none.jsonl")]) == 1
    assert "cannot be read" in capsys.readouterr().err
