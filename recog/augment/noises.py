"""Noise added to speech: recorded, or generated (white, pink, hum of the mains, other voices), at a drawn distance below it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recog.audio import Waveform
from recog.augment.recordings import collection
from recog.errors import ConfigError

KINDS = ("white", "pink", "hum", "babble")


@dataclass(frozen=True)
class Noise:
    """How often and how loud noise is added."""

    chance: float = 0.0
    # Signal to noise ratio drawn from these decibels: mean power of the speech over that of the noise.
    lowest_snr_db: float = 5.0
    highest_snr_db: float = 25.0
    # A manifest, folder or tar of recorded noises, and which `part` of the manifest's rows; "": noise is generated.
    source: str = ""
    part: str = ""
    # What is generated where no source is named.
    kinds: tuple[str, ...] = KINDS

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1 or self.lowest_snr_db > self.highest_snr_db:
            raise ConfigError("augment.noise: expected a chance in 0..1 and lowest_snr_db <= highest_snr_db")
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise ConfigError(f"augment.noise.kinds are {list(self.kinds)}; choose among {', '.join(KINDS)}")


def add(
    speech: Waveform, rate_hz: int, noise: Noise, random: np.random.Generator, voice: Callable[[], Waveform]
) -> Waveform:
    """Speech (n,) with noise below it; `voice` gives the recording of another row each time, for babble."""
    snr_db = random.uniform(noise.lowest_snr_db, noise.highest_snr_db)
    return mix(speech, draw(len(speech), rate_hz, noise, random, voice), snr_db)


def mix(speech: Waveform, noise: Waveform, snr_db: float) -> Waveform:
    """Both (n,) -> their sum, the noise scaled so that 10 log10 of the ratio of mean powers is `snr_db`."""
    speech_power, noise_power = (float(np.dot(x, x)) / len(x) for x in (speech, noise))
    if not speech_power or not noise_power:  # silence has no distance to anything
        return speech
    return speech + noise * np.float32(np.sqrt(speech_power / noise_power) * 10 ** (-snr_db / 20))


def draw(size: int, rate_hz: int, noise: Noise, random: np.random.Generator, voice: Callable[[], Waveform]) -> Waveform:
    """(size,) of noise at any level, of a recording or of a kind drawn."""
    if noise.source:
        recordings = collection(noise.source, rate_hz, "noise", noise.part)
        return stretch_of(recordings.waveform(int(random.integers(len(recordings)))), size, random)
    kind = noise.kinds[int(random.integers(len(noise.kinds)))]
    if kind == "white":
        return random.standard_normal(size, np.float32)
    if kind == "pink":
        return pink(size, random)
    if kind == "hum":
        return hum(size, rate_hz, random)
    return babble(size, random, voice)


def stretch_of(waveform: Waveform, size: int, random: np.random.Generator) -> Waveform:
    """(size,) samples from a random place on; what is too short is repeated."""
    return np.resize(np.roll(waveform, -int(random.integers(len(waveform)))), size)


def pink(size: int, random: np.random.Generator) -> Waveform:
    """(size,) of noise whose power falls with 1 / f: as much in every octave."""
    import scipy.fft  # takes half a second to import: only who asks for noise pays

    whole = scipy.fft.next_fast_len(size, real=True)
    bins = whole // 2 + 1
    spectrum = random.standard_normal(2 * bins, np.float32).view(np.complex64)
    spectrum /= np.sqrt(np.maximum(np.arange(bins, dtype=np.float32), 1))
    return np.asarray(scipy.fft.irfft(spectrum, whole), np.float32)[:size]


def hum(size: int, rate_hz: int, random: np.random.Generator) -> Waveform:
    """(size,) of the mains' 50 or 60 Hz and its overtones up to the tenth, the higher the weaker, with a little hiss."""
    phase = 2 * np.pi * random.choice((50.0, 60.0)) / rate_hz * np.arange(rate_hz)
    second = np.zeros(rate_hz)
    for overtone in range(1, 11):
        strength, start = random.uniform(0, 1 / overtone), random.uniform(0, 2 * np.pi)
        if overtone * 60 < rate_hz / 2:
            second += strength * np.sin(overtone * phase + start)
    # Whole periods fit into a second, so every second is the same.
    hiss = np.float32(0.02) * random.standard_normal(size, np.float32)
    return np.resize(second.astype(np.float32), size) + hiss


def babble(size: int, random: np.random.Generator, voice: Callable[[], Waveform]) -> Waveform:
    """(size,) of three to six other rows talking at once, equally loud."""
    total = np.zeros(size, np.float32)
    for _ in range(int(random.integers(3, 7))):
        one = stretch_of(voice(), size, random)
        total += one / np.float32(np.sqrt(np.dot(one, one) / size) + 1e-6)
    return total
