"""A waveform -> log-mel or MFCC features (T, F)."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recog.audio.reading import Waveform
from recog.errors import ConfigError, InputError
from recog.views import Look


@dataclass(frozen=True)
class SpeechFrontend:
    """How a waveform becomes features (T, F): F = (bands + energy) x (1 + deltas), one step every `hop_seconds`."""

    # Sampling rate the waveform is brought to.
    rate_hz: int = 16000
    # "log-mel" or "mfcc".
    kind: str = "log-mel"
    # Mel bands, triangular on the HTK mel scale between the two edges below.
    mel_bands: int = 80
    low_hz: float = 20.0
    high_hz: float = 7600.0
    # Hann window and distance between windows.
    window_seconds: float = 0.025
    hop_seconds: float = 0.01
    # Cepstral coefficients kept when kind is "mfcc".
    coefficients: int = 13
    # Whether the log energy of each window is one more feature (Graves 2013: 40 bands and energy).
    energy: bool = False
    # 0: none; 1: with first derivatives; 2: with second ones too (Graves 2013 used 2).
    deltas: int = 0
    # Frequency axis stretched by this factor (vocal tract length; Jaitly & Hinton 2013); 1 outside training.
    warp: float = 1.0
    # In use a recording is looked at once for each, so many steps later, and all looks decide on its text
    # (recog.ctc.consensus): where a network's frames are several steps long, other ones fall on each sound. In training 0 alone.
    shifts: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if not self.shifts or not all(0 <= shift <= 100 for shift in self.shifts):
            raise ConfigError("frontend: shifts must be one or more numbers of steps from 0 to 100")
        if self.kind not in ("log-mel", "mfcc"):
            raise ConfigError(f"frontend.kind is {self.kind!r}; choose 'log-mel' or 'mfcc'")
        if not 0 <= self.low_hz < self.high_hz <= self.rate_hz / 2:
            raise ConfigError(
                f"frontend: expected 0 <= low_hz < high_hz <= rate_hz / 2, got {self.low_hz}, {self.high_hz}, {self.rate_hz}"
            )
        if self.hop_seconds * self.rate_hz < 1 or self.window_seconds * self.rate_hz < 2 or self.warp <= 0:
            raise ConfigError("frontend: hop_seconds and window_seconds must span samples, and warp must be above 0")
        if self.deltas not in (0, 1, 2) or not 0 < self.coefficients <= self.mel_bands:
            raise ConfigError("frontend: deltas must be 0, 1 or 2 and coefficients between 1 and mel_bands")

    @property
    def looks(self) -> tuple[Look, ...]:
        """How a recording is looked at."""
        return tuple(Look(shift=shift) for shift in self.shifts)

    @property
    def features(self) -> int:
        """F, the width of a feature vector."""
        bands = self.mel_bands if self.kind == "log-mel" else self.coefficients
        return (bands + self.energy) * (1 + self.deltas)


def features(waveform: Waveform, frontend: SpeechFrontend) -> Tensor:
    """(n,) samples at `rate_hz` -> (T, F) float32, T = 1 + n // hop, each column to mean 0 and variance 1.

    A waveform of silence gives zeros. Refuses an empty one.
    """
    if waveform.ndim != 1 or waveform.size == 0:
        raise InputError(f"expected a mono waveform with samples, got shape {waveform.shape}")
    mel = log_mel(waveform, frontend).double()  # so that silence, a constant, does not leave its rounding errors
    if frontend.kind == "mfcc":
        mel = mel @ cosine_transform(frontend.mel_bands, frontend.coefficients)
    if frontend.energy:
        mel = torch.cat([mel, log_energy(waveform, frontend).double()[:, None]], dim=1)
    columns = [mel]
    for _ in range(frontend.deltas):
        columns.append(deltas(columns[-1]))
    return normalise(torch.cat(columns, dim=1)).float()


def log_mel(waveform: Waveform, frontend: SpeechFrontend) -> Tensor:
    """(n,) -> (T, mel_bands): natural log of mel-weighted power, floored at 1e-10, windows centred on k * hop."""
    power, size = _power(waveform, frontend)
    bank = mel_bank(frontend.rate_hz, size, frontend.mel_bands, frontend.low_hz, frontend.high_hz, frontend.warp)
    return (bank @ power).clamp_min(1e-10).log().T.contiguous()


def log_energy(waveform: Waveform, frontend: SpeechFrontend) -> Tensor:
    """(n,) -> (T,): natural log of the sum of squared samples under each window, floored at 1e-10 (HTK's E, windowed)."""
    power, size = _power(waveform, frontend)
    # Parseval: all bins but the first and the last stand for two.
    return ((2 * power.sum(dim=0) - power[0] - power[-1]) / size).clamp_min(1e-10).log()


def _power(waveform: Waveform, frontend: SpeechFrontend) -> tuple[Tensor, int]:
    """The power spectrum (bins, T) and the size of its transform, a power of two."""
    window = round(frontend.window_seconds * frontend.rate_hz)
    hop = round(frontend.hop_seconds * frontend.rate_hz)
    size = 2 ** math.ceil(math.log2(window))
    spectrum = torch.stft(
        torch.from_numpy(waveform),
        size,
        hop,
        window,
        _hann(window),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    return spectrum.real.square() + spectrum.imag.square(), size


@functools.lru_cache(maxsize=64)
def _hann(window: int) -> Tensor:
    return torch.hann_window(window)


@functools.lru_cache(maxsize=512)
def mel_bank(rate_hz: int, size: int, bands: int, low_hz: float, high_hz: float, warp: float) -> Tensor:
    """(bands, size // 2 + 1) triangles of height 1, equally spaced on the HTK mel scale 2595 log10(1 + f / 700).

    `warp` moves every corner frequency by that factor: a longer or shorter vocal tract.
    """
    mels = np.linspace(_hz_to_mel(low_hz), _hz_to_mel(high_hz), bands + 2)
    corners = 700.0 * (10.0 ** (mels / 2595.0) - 1.0) * warp
    bins = np.linspace(0, rate_hz / 2, size // 2 + 1)
    rising = (bins - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - bins) / (corners[2:] - corners[1:-1])[:, None]
    return torch.from_numpy(np.maximum(0, np.minimum(rising, falling)).astype(np.float32))


def _hz_to_mel(hz: float) -> float:
    return 2595.0 * math.log10(1.0 + hz / 700.0)


def cosine_transform(bands: int, coefficients: int) -> Tensor:
    """(bands, coefficients) float64, orthonormal DCT-II, log-mel -> cepstrum (Davis & Mermelstein 1980)."""
    n, k = np.arange(bands)[:, None], np.arange(coefficients)
    matrix = np.cos(math.pi / bands * (n + 0.5) * k) * math.sqrt(2.0 / bands)
    matrix[:, 0] *= math.sqrt(0.5)
    return torch.from_numpy(matrix)


def deltas(x: Tensor, reach: int = 2) -> Tensor:
    """(T, F) -> (T, F): regression slope over 2 * reach + 1 steps, edges repeated (Furui 1986)."""
    steps = torch.arange(x.shape[0])
    total = torch.zeros_like(x)
    for offset in range(1, reach + 1):
        later, earlier = (steps + offset).clamp_max(len(x) - 1), (steps - offset).clamp_min(0)
        total += offset * (x[later] - x[earlier])
    return total / (2 * sum(offset**2 for offset in range(1, reach + 1)))


def normalise(x: Tensor) -> Tensor:
    """(T, F) -> each column with mean 0 and variance 1 over the recording; a constant column becomes 0."""
    x = x - x.mean(dim=0)
    return x / x.square().mean(dim=0).sqrt().clamp_min(1e-3)
