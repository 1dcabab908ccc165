"""Noise at the distance asked for, bands that end where they should, and the same for the same recording."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_SPEECH, dominant_hz, tone_wave, write_rows

from pipelines.cli import main
from recog.errors import ConfigError
from recog.hardship import Hardship, narrowed

RATE = 16000


@pytest.fixture
def noises(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for number, part in enumerate(["train", "dev", "dev"]):
        name = f"n{number}.wav"
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(RATE), RATE)
        rows.append({"audio": name, "kind": "noise", "part": part})
    (tmp_path / "noise.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "noise.jsonl"


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 25.0])
def test_noise_lies_as_far_below_the_voice_as_asked(noises: Path, snr_db: float) -> None:
    voice = tone_wave(440, 1.5, RATE)
    heard = Hardship(str(noises), snr_db=snr_db).apply(voice, RATE, "a.wav")
    added = heard - voice
    assert 10 * np.log10(np.mean(voice**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.01)
    assert (heard.shape, heard.dtype) == (voice.shape, np.float32)


def test_a_recording_always_gets_the_same_noise_and_others_get_others(noises: Path) -> None:
    voice, hardship = tone_wave(440, 0.5, RATE), Hardship(str(noises))
    first = hardship.apply(voice, RATE, "a.wav")
    hardship.apply(voice, RATE, "b.wav")
    assert np.array_equal(first, Hardship(str(noises)).apply(voice, RATE, "a.wav"))
    assert not np.array_equal(first, hardship.apply(voice, RATE, "b.wav"))
    assert not np.array_equal(first, Hardship(str(noises), seed=2).apply(voice, RATE, "a.wav"))
    with pytest.raises(ConfigError, match="holds no recordings of part 'report'"):
        Hardship(str(noises), part="report").apply(voice, RATE, "a.wav")


def test_a_narrow_band_keeps_what_it_holds_and_nothing_else() -> None:
    low, high = tone_wave(1000, 0.5, RATE), tone_wave(6000, 0.5, RATE)
    found = narrowed(low + high, RATE, 8000)
    middle = slice(800, -800)  # filters ring at the ends
    assert np.abs(found - low)[middle].max() < 0.02 * np.abs(low).max()
    assert dominant_hz(found, RATE) == pytest.approx(1000, abs=5)
    assert len(narrowed(low[:1001], RATE, 11025)) == 1001
    assert np.array_equal(Hardship(bandwidth_hz=16000).apply(low, RATE, "a"), low)
    with pytest.raises(ConfigError, match="expected samples a second"):
        Hardship(bandwidth_hz=8)


def test_evaluate_hears_what_it_is_told_to(
    noises: Path,
    tmp_path: Path,
    trained_speech_bundle: Path,
    random_handwriting_bundle: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = write_rows(tmp_path / "speech", TINY_SPEECH, SPOKEN_TEXTS)
    rates = {}
    for name, more in (
        ("clean", []),
        ("low noise", ["--noise", str(noises), "--snr", "200"]),
        ("loud noise", ["--noise", str(noises), "--snr", "-20"]),
        ("narrow", ["--bandwidth", "1000"]),
    ):
        out = tmp_path / "report.json"
        assert main(["evaluate", str(trained_speech_bundle), str(rows), "--greedy", "--json", str(out), *more]) == 0
        rates[name] = json.loads(out.read_text())["cer"]
    assert rates["clean"] == rates["low noise"] == 0
    assert rates["loud noise"] > 0.3
    assert rates["narrow"] > 0.3
    capsys.readouterr()
    assert main(["evaluate", str(random_handwriting_bundle), str(rows), "--bandwidth", "8000"]) == 1
    assert "only recordings can be made noisy or narrow" in capsys.readouterr().err
