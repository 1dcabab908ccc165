"""A waveform becomes features: against librosa, formulas written out, and tones whose place is known."""

import math
from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch
from conftest import tone_wave

from recog import audio
from recog.audio import SpeechFrontend
from recog.errors import ConfigError, InputError

PLAIN = SpeechFrontend()


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
