"""A recording made harder on purpose, always in the same way: noise below the voice, a telephone's narrow band.

For measuring what such things cost (recog evaluate --noise, --bandwidth); for training on them see recog.augment.
"""

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recog.audio import Waveform
from recog.augment.noises import mix, stretch_of
from recog.augment.recordings import Recordings, collection
from recog.errors import ConfigError


@dataclass(frozen=True)
class Hardship:
    """What is done to every recording before it is heard."""

    # A manifest, folder or tar of noises ("": none); of a manifest only rows of this part, where they name one.
    noise: str = ""
    part: str = "dev"
    # Mean power of the voice over that of the noise, in decibels.
    snr_db: float = 10.0
    # Which noise, and which stretch of it, falls to which recording.
    seed: int = 1
    # Samples a second that are left (8000: a telephone's); 0: all.
    bandwidth_hz: int = 0

    def __post_init__(self) -> None:
        if self.bandwidth_hz < 0 or 0 < self.bandwidth_hz < 1000:
            raise ConfigError(f"--bandwidth is {self.bandwidth_hz}; expected samples a second, 1000 or more")

    @cached_property
    def _noises(self) -> dict[int, Recordings]:
        return {}

    def apply(self, waveform: Waveform, rate_hz: int, name: str) -> Waveform:
        """(n,) -> (n,); the same for the same recording's name, settings and noises, whatever came before."""
        if self.noise:
            random = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
            noises = self._noises.setdefault(rate_hz, collection(self.noise, rate_hz, "noise", self.part))
            noise = noises.waveform(int(random.integers(len(noises))))
            waveform = mix(waveform, stretch_of(noise, len(waveform), random), self.snr_db)
        if self.bandwidth_hz and self.bandwidth_hz < rate_hz:
            waveform = narrowed(waveform, rate_hz, self.bandwidth_hz)
        return waveform.astype(np.float32)


def narrowed(waveform: Waveform, rate_hz: int, bandwidth_hz: int) -> Waveform:
    """(n,) -> (n,) as if it had been recorded at `bandwidth_hz` samples a second: nothing above half of that is left."""
    import scipy.signal  # takes a second to import: only who asks for it pays

    common = int(np.gcd(rate_hz, bandwidth_hz))
    down, up = rate_hz // common, bandwidth_hz // common
    there = scipy.signal.resample_poly(waveform, up, down)
    found: Waveform = scipy.signal.resample_poly(there, down, up)[: len(waveform)].astype(np.float32)
    return found
