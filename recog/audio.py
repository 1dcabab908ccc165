"""Sound: any file or bytes -> mono waveform at one rate -> log-mel or MFCC features (T, F).

Decoding is FFmpeg's, carried inside PyAV, so wav, flac, ogg, opus, mp3, webm, m4a, aac and the sound of a video need
no program beside Python.
"""

import contextlib
import functools
import io
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recog import archive
from recog.errors import ConfigError, InputError

Waveform = NDArray[np.float32]

# FFmpeg's readers of recordings and videos. Playlists and the like stay out: they would open other files and addresses.
_CONTAINERS = (
    "wav,w64,flac,ogg,mp3,matroska,mov,aac,aiff,au,caf,amr,avi,asf,flv,mpeg,mpegts,ac3,eac3,dts,ape,wv,tta,mpc,mpc8,"
    "nistsphere"
)

# Streams without a header: FFmpeg guesses their length from the first packet.
_HEADERLESS = ("aac", "ac3", "amr", "dts", "eac3", "mpeg", "mpegts")


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

    def __post_init__(self) -> None:
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
    def features(self) -> int:
        """F, the width of a feature vector."""
        bands = self.mel_bands if self.kind == "log-mel" else self.coefficients
        return (bands + self.energy) * (1 + self.deltas)


def read(
    source: str | Path | bytes,
    rate_hz: int = 16000,
    limit_seconds: float = 12 * 3600,
    damage: list[str] | None = None,
) -> Waveform:
    """Mono waveform (n,) in -1..1 at `rate_hz` of the first sound track of a file or of its bytes.

    Values lie on the grid of 16 bits, where training keeps its samples too. Channels are averaged. A damaged stretch
    is left out, what can be decoded is kept; a list given as `damage` is told of each such stretch.
    Refuses what holds no sound, and recordings longer than the limit.
    """
    return np.concatenate(list(stream(source, rate_hz, limit_seconds, damage)))


def stream(
    source: str | Path | bytes,
    rate_hz: int = 16000,
    limit_seconds: float = math.inf,
    damage: list[str] | None = None,
    channel: int | None = None,
) -> Iterator[Waveform]:
    """The same waveform in blocks of a second or more, so that a recording of any length fits into memory.

    `channel`, counted from 0, is heard alone; None averages them all.
    """
    damage = [] if damage is None else damage
    samples = 0
    with _opened(source) as (container, name):
        for block in _blocks(_decode(container, rate_hz, damage, channel), rate_hz):
            samples += block.size
            if samples > limit_seconds * rate_hz:
                raise InputError(f"{name} is longer than {limit_seconds:.0f} s, the limit; cut it into parts")
            yield block
        if samples == 0:
            raise InputError(f"{name} holds no decodable sound; it may be cut off or damaged")
        _compare(declared_seconds(container), samples / rate_hz, damage)


@dataclass(frozen=True)
class Description:
    """What a recording says of itself, without decoding it."""

    # None where it does not know.
    seconds: float | None
    channels: int


def describe(source: str | Path | bytes) -> Description:
    """Length and channels of the first sound track. Refuses what holds no sound."""
    with _opened(source) as (container, _):
        return Description(declared_seconds(container), max(1, container.streams.audio[0].codec_context.channels))


@contextlib.contextmanager
def _opened(source: str | Path | bytes) -> Iterator[tuple[Any, str]]:
    """The container, which has sound, and what to call it; errors of FFmpeg while it is open become our own."""
    import av

    name = "the uploaded data" if isinstance(source, bytes) else str(source)
    source = archive.resolve(source)
    if isinstance(source, bytes) and not source:
        raise InputError(f"{name} is empty (0 bytes); expected a recording")
    if not isinstance(source, bytes):
        if not Path(source).is_file():
            raise InputError(f"{name} does not exist or is not a file")
        if Path(source).stat().st_size == 0:
            raise InputError(f"{name} is empty (0 bytes); expected a recording")
    try:
        # "file:" because a name like 12:30.wav would be taken for an address; old tags are rarely UTF-8.
        with av.open(
            io.BytesIO(source) if isinstance(source, bytes) else f"file:{source}",
            options={"format_whitelist": _CONTAINERS},
            metadata_errors="replace",
        ) as container:
            if not container.streams.audio:
                raise InputError(f"{name} holds no sound track")
            yield container, name
    except (av.error.FFmpegError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{name} is not a recording that can be decoded ({_reason(error)})") from error


def declared_seconds(container: Any) -> float | None:
    """How long the first sound track is by the file's own account; None where it gives none, or a guess."""
    if container.format.name in _HEADERLESS:
        return None
    track = container.streams.audio[0]
    if track.duration is not None:
        return float(track.duration * track.time_base)
    if container.duration is None or container.streams.video:  # the picture may go on without sound
        return None
    return float(container.duration) / 1e6


def _compare(declared: float | None, decoded: float, damage: list[str]) -> None:
    """Tells of sound that is missing without an error: FFmpeg ends a file that is cut off as if it were whole."""
    if declared is not None and decoded < 0.95 * declared - 0.1:
        damage.append(f"it declares {declared:.2f} s, {decoded:.2f} s can be decoded")


def _decode(container: Any, rate_hz: int, damage: list[str], channel: int | None) -> Iterator[Waveform]:
    import av

    # Streams glued together, and AAC that turns stereo, change their form on the way.
    for _, alike in itertools.groupby(
        _frames(container, damage), lambda f: (f.format.name, f.layout.name, f.sample_rate)
    ):
        resampler = av.AudioResampler(format="fltp", rate=rate_hz)  # FFmpeg's own way to mono is no average: +3 dB
        for frame in itertools.chain(alike, [None]):
            for piece in resampler.resample(frame):
                channels = piece.to_ndarray()
                if channel is not None:
                    yield channels[channel] if channel < len(channels) else np.zeros_like(channels[0])
                else:
                    yield channels[0] if len(channels) == 1 else channels.mean(axis=0)


def _blocks(pieces: Iterable[Waveform], least: int) -> Iterator[Waveform]:
    """Pieces of any sizes joined to blocks of `least` samples or a little more; the last one holds the rest."""
    waiting: list[Waveform] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(one.size for one in waiting) >= least:
            yield _on_grid(np.concatenate(waiting))
            waiting = []
    if sum(one.size for one in waiting):
        yield _on_grid(np.concatenate(waiting))


def _frames(container: Any, damage: list[str]) -> Iterator[Any]:
    """The decoded frames; a bad packet costs itself alone, a reader that loses its place what comes after."""
    import av

    try:
        for packet in container.demux(container.streams.audio[0]):
            place = f"at {float(packet.pts * packet.time_base):.2f} s" if packet.pts is not None else "somewhere"
            if packet.is_corrupt:
                damage.append(f"a packet is cut off {place}")
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                damage.append(f"a packet cannot be decoded {place} ({_reason(error)})")
                continue
            for frame in frames:
                frame.pts = None  # gaps in the time stamps would otherwise be filled or refused
                yield frame
    except av.error.FFmpegError as error:
        damage.append(f"the file cannot be read to its end ({_reason(error)})")


def _on_grid(waveform: Waveform) -> Waveform:
    """In place: holes filled with silence, clipped to -1..1, rounded to the values that 16 bits can hold."""
    np.nan_to_num(waveform, copy=False)
    np.clip(waveform, -1, 1, out=waveform)
    waveform *= 32767
    np.rint(waveform, out=waveform)
    waveform /= 32767
    return waveform


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).strip().rstrip(".").lower()


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


def is_silent(waveform: Waveform, threshold: float = 1e-4) -> bool:
    """Whether a waveform never rises above digital silence (-80 dB of full scale)."""
    return bool(np.abs(waveform).max(initial=0.0) < threshold)
