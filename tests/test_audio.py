import io
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import librosa
import numpy as np
import pytest
import soundfile
import torch
from conftest import dominant_hz, tone_wave

from recog import audio
from recog.audio import SpeechFrontend, Waveform
from recog.errors import ConfigError, InputError

PLAIN = SpeechFrontend()


@dataclass(frozen=True)
class Kind:
    """A kind of recording, and how exactly its sound comes back."""

    name: str
    container: str
    codec: str
    rate_hz: int = 44100
    layout: str = "mono"
    # Pictures beside the sound: a video.
    pictures: int = 0
    # Longest silence that the codec may add, in seconds.
    slack_seconds: float = 0.0


KINDS = [
    Kind("wav", "wav", "pcm_s16le"),
    Kind("wav-8-bit", "wav", "pcm_u8"),
    Kind("wav-24-bit-48k-stereo", "wav", "pcm_s24le", 48000, "stereo"),
    Kind("wav-float", "wav", "pcm_f32le"),
    Kind("wav-8k", "wav", "pcm_s16le", 8000),
    Kind("flac", "flac", "flac"),
    Kind("flac-5.1", "flac", "flac", 48000, "5.1"),
    Kind("opus", "ogg", "libopus", 48000),
    Kind("mp3", "mp3", "libmp3lame", slack_seconds=0.1),
    Kind("webm", "webm", "libopus", 48000, "stereo"),
    Kind("m4a", "ipod", "aac", slack_seconds=0.1),
    Kind("aac", "adts", "aac", slack_seconds=0.1),
    Kind("mp4-with-video", "mp4", "aac", pictures=10, slack_seconds=0.1),
    Kind("mkv-with-video", "matroska", "libopus", 48000, pictures=10),
    Kind("aiff", "aiff", "pcm_s16be"),
]


def encode(wave: Waveform, kind: Kind) -> bytes:
    """A mono wave as a file of that kind, the same in every channel."""
    data = io.BytesIO()
    with av.open(data, "w", format=kind.container) as container:
        video = container.add_stream("mpeg4", rate=10, width=32, height=32) if kind.pictures else None
        sound = container.add_stream(kind.codec, rate=kind.rate_hz, layout=kind.layout)
        for _ in range(kind.pictures):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        if video is not None:
            container.mux(video.encode())
        channels = av.AudioLayout(kind.layout).nb_channels
        interleaved = np.repeat(wave, channels)[None]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(interleaved), format="flt", layout=kind.layout)
        frame.sample_rate = kind.rate_hz
        size = sound.codec_context.frame_size or None
        fit = av.AudioResampler(sound.format.name, kind.layout, kind.rate_hz, frame_size=size)
        for part in [*fit.resample(frame), *fit.resample(None)]:
            container.mux(sound.encode(part))
        container.mux(sound.encode())
    return data.getvalue()


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


def wav(wave: np.ndarray, rate_hz: int = 16000, subtype: str = "PCM_16") -> bytes:
    data = io.BytesIO()
    soundfile.write(data, wave, rate_hz, format="WAV", subtype=subtype)
    return data.getvalue()


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
    assert torch.isfinite(audio.features(wave, PLAIN)).all()


def test_a_recording_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(InputError, match="is longer than 2 s, the limit; cut it into parts"):
        audio.read(wav(tone_wave(seconds=2.5)), limit_seconds=2)
    assert audio.read(wav(tone_wave(seconds=2)), limit_seconds=2).size == 32000


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


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.name in ("wav", "flac", "mp3", "webm", "aac")], ids=lambda k: k.name
)
def test_what_is_left_of_a_cut_off_recording_is_kept(kind: Kind) -> None:
    data = encode(tone_wave(600, 4.0, kind.rate_hz), kind)
    wave = audio.read(data[: len(data) // 2])
    assert wave.size == pytest.approx(2 * 16000, rel=0.2)
    assert dominant_hz(wave, 16000) == pytest.approx(600, abs=2)


def test_a_damaged_stretch_costs_only_itself() -> None:
    data = bytearray(encode(tone_wave(600, 4.0, 44100), Kind("mp3", "mp3", "libmp3lame")))
    data[10000:11000] = bytes(1000)
    wave = audio.read(bytes(data))
    assert 3 * 16000 < wave.size < 4.2 * 16000
    assert dominant_hz(wave, 16000) == pytest.approx(600, abs=2)


def video_alone(pictures: int, sound: bool = False) -> bytes:
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=10, width=32, height=32)
        if sound:
            container.add_stream("aac", rate=44100)
        container.start_encoding()
        for _ in range(pictures):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
    return data.getvalue()


M4A = encode(tone_wave(600, 1.0, 44100), Kind("m4a", "ipod", "aac"))
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", r"is empty \(0 bytes\); expected a recording"),
    "text": (lambda: b"Dear all,\nthis is a letter, not a recording.\n" * 20, "is not a recording that can be decoded"),
    "garbage": (lambda: np.random.default_rng(1).bytes(3000), "is not a recording|no decodable sound"),
    "zeros": (lambda: bytes(3000), "is not a recording|no decodable sound"),
    "header alone": (lambda: wav(tone_wave())[:44], "is not a recording|holds no decodable sound"),
    "half a header": (lambda: wav(tone_wave())[:20], "is not a recording|holds no decodable sound"),
    "m4a without its index": (lambda: M4A[: len(M4A) // 2], "is not a recording that can be decoded"),
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


@pytest.mark.parametrize("warp", [1.0, 1.1])
@pytest.mark.parametrize(
    "frontend", [PLAIN, SpeechFrontend(rate_hz=8000, mel_bands=24, high_hz=3700, window_seconds=0.032)]
)
def test_log_mel_is_librosas(frontend: SpeechFrontend, warp: float) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 12345).astype(np.float32)
    window, hop = round(frontend.window_seconds * frontend.rate_hz), round(frontend.hop_seconds * frontend.rate_hz)
    size = 2 ** math.ceil(math.log2(window))
    spectrum = librosa.stft(wave, n_fft=size, hop_length=hop, win_length=window, center=True, pad_mode="constant")
    bank = librosa.filters.mel(
        sr=frontend.rate_hz,
        n_fft=size,
        n_mels=frontend.mel_bands,
        fmin=frontend.low_hz,
        fmax=frontend.high_hz,
        htk=True,
        norm=None,
    )
    if warp == 1:
        expected = np.log(np.maximum(1e-10, bank @ np.abs(spectrum) ** 2)).T
        found = audio.log_mel(wave, frontend).numpy()
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-3
    else:  # librosa has no warp: corners moved by a factor see what plain corners see of a spectrum squeezed by it
        corners = librosa.mel_frequencies(frontend.mel_bands + 2, fmin=frontend.low_hz, fmax=frontend.high_hz, htk=True)
        warped = audio.mel_bank(frontend.rate_hz, size, frontend.mel_bands, frontend.low_hz, frontend.high_hz, warp)
        bins = np.linspace(0, frontend.rate_hz / 2, size // 2 + 1)
        for band in range(frontend.mel_bands):
            expected = np.interp(bins, warp * corners[band : band + 3], [0, 1, 0], left=0, right=0)
            assert np.abs(warped[band].numpy() - expected).max() < 1e-4


@pytest.mark.parametrize("hz", [100, 250, 440, 1000, 2500, 5000, 7000])
def test_a_tone_peaks_in_its_mel_band(hz: float) -> None:
    centres = librosa.mel_frequencies(PLAIN.mel_bands + 2, fmin=PLAIN.low_hz, fmax=PLAIN.high_hz, htk=True)[1:-1]
    peak = int(audio.log_mel(tone_wave(hz, 0.5), PLAIN).mean(0).argmax())
    nearest = int(np.abs(np.log(centres / hz)).argmin())
    assert abs(peak - nearest) <= 1


@pytest.mark.parametrize("frontend", [PLAIN, SpeechFrontend(rate_hz=8000, high_hz=3800, hop_seconds=0.0125)])
def test_frames_follow_from_samples(frontend: SpeechFrontend) -> None:
    hop = round(frontend.hop_seconds * frontend.rate_hz)
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * hop).astype(np.float32)
    for samples in [*range(1, 2 * hop + 2), 4 * hop - 1, 4 * hop]:  # every residue
        assert audio.features(noise[:samples], frontend).shape == (1 + samples // hop, frontend.features)


def test_mfcc_is_the_cosine_transform_of_log_mel() -> None:
    frontend = SpeechFrontend(kind="mfcc", mel_bands=20, coefficients=7)
    wave = np.random.default_rng(0).normal(0, 0.1, 3000).astype(np.float32)
    mel = audio.log_mel(wave, frontend).double().numpy()
    # Orthonormal DCT-II (Ahmed 1974), sum by sum.
    cepstrum = np.array(
        [
            [
                math.sqrt((1 if k == 0 else 2) / 20)
                * sum(row[n] * math.cos(math.pi * k * (2 * n + 1) / 40) for n in range(20))
                for k in range(7)
            ]
            for row in mel
        ]
    )
    expected = (cepstrum - cepstrum.mean(0)) / cepstrum.std(0)
    assert np.abs(audio.features(wave, frontend).numpy() - expected).max() < 1e-4


def test_deltas_follow_their_formula() -> None:
    x = np.random.default_rng(0).normal(size=(6, 3))
    padded = np.concatenate([x[:1], x[:1], x, x[-1:], x[-1:]])
    expected = np.array(
        [(padded[t + 3] - padded[t + 1] + 2 * (padded[t + 4] - padded[t])) / (2 * (1 + 4)) for t in range(6)]
    )
    assert np.abs(audio.deltas(torch.from_numpy(x)).numpy() - expected).max() < 1e-12
    ramp = torch.arange(10.0)[:, None].expand(10, 2)
    assert torch.allclose(audio.deltas(ramp)[2:-2], torch.ones(6, 2))


@pytest.mark.parametrize(("deltas", "features"), [(0, 80), (1, 160), (2, 240)])
def test_deltas_widen_the_features(deltas: int, features: int) -> None:
    frontend = replace(PLAIN, deltas=deltas)
    matrix = audio.features(np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32), frontend)
    assert matrix.shape == (26, features) == (26, frontend.features)
    assert matrix.mean(0).abs().max() < 1e-4
    assert (matrix.square().mean(0) - 1).abs().max() < 1e-3


def test_energy_is_the_log_of_the_squares_under_each_window() -> None:
    frontend = replace(PLAIN, energy=True, mel_bands=40, deltas=2)
    wave = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)
    # Each window by hand: 400 samples about k * 160, zeros beyond the ends, the periodic Hann window.
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    padded = np.concatenate([np.zeros(200), wave.astype(np.float64), np.zeros(200)])
    expected = np.array([math.log(((padded[160 * k : 160 * k + 400] * hann) ** 2).sum()) for k in range(26)])
    assert np.abs(audio.log_energy(wave, frontend).numpy() - expected).max() < 1e-4
    matrix = audio.features(wave, frontend)
    assert matrix.shape == (26, frontend.features) == (26, 123)  # as Graves (2013) has it
    assert np.abs(matrix[:, 40].numpy() - (expected - expected.mean()) / expected.std()).max() < 1e-3
    assert torch.equal(matrix[:, :40], audio.features(wave, replace(frontend, energy=False))[:, :40])


def test_sphere_is_read_as_it_was_written(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-3000, 3000, 4000).astype(np.int16)
    soundfile.write(tmp_path / "a.sph", samples, 16000, format="NIST", subtype="PCM_16")
    assert np.array_equal(np.rint(audio.read(tmp_path / "a.sph") * 32767), samples)


@pytest.mark.parametrize("seconds", [0.001, 0.5, 3.0])
@pytest.mark.parametrize("kind", ["log-mel", "mfcc"])
def test_silence_gives_zeros(seconds: float, kind: str) -> None:
    wave = np.zeros(round(16000 * seconds), np.float32)
    assert audio.features(wave, SpeechFrontend(kind=kind, deltas=2)).abs().max() < 1e-6


def test_loudness_does_not_matter() -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    assert (audio.features(wave, PLAIN) - audio.features(wave / 8, PLAIN)).abs().max() < 1e-3


@pytest.mark.parametrize("wave", [np.zeros(0, np.float32), np.zeros((5, 2), np.float32)])
def test_features_of_no_mono_waveform_are_refused(wave: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected a mono waveform with samples, got shape"):
        audio.features(wave, PLAIN)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kind": "mel"}, r"frontend\.kind is 'mel'; choose 'log-mel' or 'mfcc'"),
        ({"high_hz": 8001.0}, "expected 0 <= low_hz < high_hz <= rate_hz / 2, got 20.0, 8001.0, 16000"),
        ({"low_hz": -1.0}, "expected 0 <= low_hz"),
        ({"deltas": 3}, "deltas must be 0, 1 or 2"),
        ({"coefficients": 0}, "coefficients between 1 and mel_bands"),
        ({"mel_bands": 12}, "coefficients between 1 and mel_bands"),
        ({"hop_seconds": 0.0}, "must span samples"),
        ({"window_seconds": -0.1}, "must span samples"),
        ({"warp": 0.0}, "warp must be above 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SpeechFrontend(**settings)


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


def encoded(container: str, codec: str, seconds: float = 4.0) -> bytes:
    """A tone with a little noise, by FFmpeg."""
    rate_hz = 48000 if codec == "libopus" else 16000
    wave = tone_wave(seconds=seconds, rate_hz=16000)
    wave += 0.05 * np.random.default_rng(0).normal(size=wave.size).astype(np.float32)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate = 16000
        resampler = av.AudioResampler(format=stream.codec_context.format.name, layout="mono", rate=rate_hz)
        for piece in [*resampler.resample(frame), None]:
            out.mux(stream.encode(piece))
    return buffer.getvalue()


FORMS = [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("webm", "libopus"), ("ogg", "libopus")]


@pytest.mark.parametrize(("container", "codec"), [*FORMS, ("ipod", "aac")])
def test_a_whole_file_tells_of_no_damage(container: str, codec: str) -> None:
    damage: list[str] = []
    assert len(audio.read(encoded(container, codec), damage=damage)) == pytest.approx(
        64000, abs=2000
    )  # AAC pads its ends
    assert damage == []


@pytest.mark.parametrize(("container", "codec"), FORMS[:4])
def test_what_is_cut_off_is_told_and_the_rest_is_kept(container: str, codec: str) -> None:
    whole = encoded(container, codec)
    damage: list[str] = []
    kept = audio.read(whole[: len(whole) // 2], damage=damage)
    assert 0.3 * 64000 < len(kept) < 0.7 * 64000
    assert damage


def test_a_page_of_ogg_that_was_flipped_is_told() -> None:
    whole = bytearray(encoded("ogg", "libopus"))
    whole[len(whole) // 2] ^= 16  # FFmpeg drops the whole page without an error
    damage: list[str] = []
    audio.read(bytes(whole), damage=damage)
    assert damage == ["it declares 4.01 s, 3.00 s can be decoded"]
