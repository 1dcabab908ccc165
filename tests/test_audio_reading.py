"""Files and bytes of every kind become one waveform, or are refused in a sentence."""

import io
import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import dominant_hz, tone_wave
from recordings import KINDS, Kind, encode, video_alone, wav

from recog import audio
from recog.audio import SpeechFrontend, reading
from recog.errors import InputError


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kinds_of_recording(kind: Kind, tmp_path: Path) -> None:
    data = encode(tone_wave(600, 1.0, kind.rate_hz), kind)
    path = tmp_path / "12:30 no suffix"
    path.write_bytes(data)
    wave = audio.read(data)
    assert wave.dtype == np.float32
    assert wave.size + 2 >= 16000
    assert wave.size <= 16000 * (1 + kind.slack_seconds) + 2
    assert dominant_hz(wave, 16000) == pytest.approx(600, abs=2)
    middle = wave[4000:12000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / math.sqrt(2), rel=0.1)
    assert np.array_equal(audio.read(path), wave)
    assert np.array_equal(audio.read(str(path)), wave)


def test_ogg_vorbis() -> None:
    data = io.BytesIO()
    soundfile.write(data, tone_wave(600, 1.0, 22050), 22050, format="OGG", subtype="VORBIS")
    wave = audio.read(data.getvalue(), 8000)
    assert wave.size == pytest.approx(8000, rel=0.02)
    assert dominant_hz(wave, 8000) == pytest.approx(600, abs=2)


def test_sixteen_bits_at_the_same_rate_come_back_exactly() -> None:
    noise = np.random.default_rng(0).integers(-32767, 32768, 5000).astype(np.int16)
    wave = audio.read(wav(noise))
    assert np.abs(wave * 32768 - noise).max() <= 1.01
    # What training keeps as int16 is what a user's recording gives.
    assert np.array_equal(np.round(wave * 32767).astype(np.int16).astype(np.float32) / 32767, wave)


def test_channels_are_averaged() -> None:
    left, right = tone_wave(500, 0.5), tone_wave(2000, 0.5)
    mixed = audio.read(wav(np.stack([left, right], axis=1)))
    assert np.abs(mixed - (left + right) / 2).max() < 1e-3
    silent = audio.read(wav(np.stack([left, -left], axis=1)))
    assert np.abs(silent).max() < 1e-3


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 32000, 48000, 96000])
def test_resampling_keeps_pitch_length_and_loudness(rate_hz: int) -> None:
    wave = audio.read(wav(tone_wave(1000, 1.0, rate_hz), rate_hz))
    assert wave.size == pytest.approx(16000, abs=2)
    expected = tone_wave(1000, 1.0, 16000)[:15990]
    assert np.abs(wave[100:15900] - expected[100:15900]).max() < 0.01


def test_resampling_folds_nothing_back() -> None:
    # 10 kHz lies above half of 16 kHz: it must vanish, not turn up at 6 kHz.
    wave = audio.read(wav(tone_wave(10000, 1.0, 48000), 48000))
    assert np.abs(wave[200:-200]).max() < 0.01


def test_values_beyond_full_scale_and_holes_are_tamed() -> None:
    loud = tone_wave(500, 0.1) * 1e30
    loud[10], loud[20], loud[30] = np.nan, np.inf, -np.inf
    wave = audio.read(wav(loud, subtype="FLOAT"))
    assert np.isfinite(wave).all()
    assert np.abs(wave).max() == 1
    assert torch.isfinite(audio.features(wave, SpeechFrontend())).all()


def test_a_recording_longer_than_the_limit_is_refused() -> None:
    live = encode(tone_wave(seconds=2.5, rate_hz=48000), Kind("live", "webm", "libopus", 48000, piped=True))
    assert audio.describe(live).seconds is None
    for long in (wav(tone_wave(seconds=2.5)), live):
        with pytest.raises(InputError, match="is longer than 2 s, the limit; cut it into parts"):
            audio.read(long, limit_seconds=2)
    assert audio.read(wav(tone_wave(seconds=2)), limit_seconds=2).size == 32000


def test_a_recording_that_declares_to_be_longer_is_refused_before_it_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "_decode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(InputError, match="is longer than 2 s, the limit"):
        audio.read(wav(tone_wave(seconds=3.5)), limit_seconds=2)


def test_old_tags_do_not_matter() -> None:
    # A title in Latin-1, as old programs wrote it, once cost the recording.
    title = b"INFO" + b"INAM" + struct.pack("<I", 6) + "Übung\0".encode("latin-1")
    sound = wav(tone_wave(600))
    tagged = sound[:12] + b"LIST" + struct.pack("<I", len(title)) + title + sound[12:]
    assert dominant_hz(audio.read(tagged), 16000) == pytest.approx(600, abs=2)


def test_streams_that_change_on_the_way_are_read_to_the_end() -> None:
    low, high = Kind("a", "adts", "aac", 22050), Kind("b", "adts", "aac", 44100, "stereo")
    glued = encode(tone_wave(600, 1.0, 22050), low) + encode(tone_wave(1500, 1.0, 44100), high)
    wave = audio.read(glued)
    assert wave.size == pytest.approx(2 * 16000, rel=0.1)
    assert dominant_hz(wave[3000:13000], 16000) == pytest.approx(600, abs=5)
    assert dominant_hz(wave[20000:30000], 16000) == pytest.approx(1500, abs=5)


M4A = encode(tone_wave(600, 1.0, 44100), Kind("m4a", "ipod", "aac"))


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", r"is empty \(0 bytes\); expected a recording"),
    "text": (lambda: b"Dear all,\nthis is a letter, not a recording.\n" * 20, "is not a recording that can be decoded"),
    "garbage": (lambda: np.random.default_rng(1).bytes(3000), "is not a recording|no decodable sound"),
    "zeros": (lambda: bytes(3000), "is not a recording|no decodable sound"),
    "header alone": (lambda: wav(tone_wave())[:44], "is not a recording|holds no decodable sound"),
    "half a header": (lambda: wav(tone_wave())[:20], "is not a recording|holds no decodable sound"),
    "m4a without its index": (lambda: M4A[: len(M4A) // 2], "is cut off and cannot be decoded .the file ends after"),
    "no samples": (lambda: wav(np.zeros(0)), "holds no decodable sound"),
    "video without sound": (lambda: video_alone(10), "holds no sound track"),
    "video without frames": (
        lambda: video_alone(0, sound=True),
        "holds no decodable sound|holds no sound track|is not a recording",
    ),
    "playlist": (lambda: b"#EXTM3U\n#EXTINF:1,\nother.wav\n", "is not a recording that can be decoded"),
    "list of files": (lambda: b"ffconcat version 1.0\nfile other.wav\n", "is not a recording that can be decoded"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "is not a recording that can be decoded"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    build, sentence = BAD[case]
    (tmp_path / "other.wav").write_bytes(wav(tone_wave()))  # what a playlist would open
    path = tmp_path / "sound.wav"
    path.write_bytes(build())
    for source, name in ((path.read_bytes(), "the uploaded data"), (path, str(path))):
        with pytest.raises(InputError, match=sentence) as caught:
            audio.read(source)
        assert str(caught.value).startswith(name)
        assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.wav"):
        with pytest.raises(InputError, match=r"does not exist or is not a file$"):
            audio.read(path)


def test_sphere_is_read_as_it_was_written(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-3000, 3000, 4000).astype(np.int16)
    soundfile.write(tmp_path / "a.sph", samples, 16000, format="NIST", subtype="PCM_16")
    assert np.array_equal(np.rint(audio.read(tmp_path / "a.sph") * 32767), samples)


def test_digital_silence_is_told_from_a_whisper() -> None:
    assert audio.is_silent(np.zeros(100, np.float32))
    assert audio.is_silent(np.zeros(0, np.float32))
    assert not audio.is_silent(tone_wave(amplitude=0.001))


def test_a_stream_is_the_recording_in_blocks(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.2, (44100 * 3 + 17, 2)).astype(np.float32)
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
        soundfile.write(tmp_path / name, wave, 44100)
        blocks = list(audio.stream(tmp_path / name, 16000))
        assert np.array_equal(np.concatenate(blocks), audio.read(tmp_path / name, 16000))
        assert all(16000 <= len(block) < 24000 for block in blocks[:-1])
        assert len(blocks) > 2
    assert np.array_equal(
        np.concatenate(list(audio.stream((tmp_path / "a.mp3").read_bytes()))), audio.read(tmp_path / "a.mp3")
    )


def test_one_channel_alone(tmp_path: Path) -> None:
    left, right = tone_wave(300, 1.0), tone_wave(900, 1.0)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    found = [np.concatenate(list(audio.stream(tmp_path / "two.wav", channel=channel))) for channel in range(3)]
    assert [dominant_hz(one, 16000) for one in found[:2]] == [300.0, 900.0]
    assert np.allclose(found[0], left, atol=1e-4)
    assert not found[2].any()  # FFmpeg may tell of more channels than a stretch of the recording has
    assert audio.describe(tmp_path / "two.wav") == audio.Description(1.0, 2)
    with pytest.raises(InputError, match=r"none\.wav does not exist"):
        audio.describe(tmp_path / "none.wav")
