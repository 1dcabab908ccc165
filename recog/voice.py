"""Where in a recording somebody speaks: windows of 32 ms, judged one after another as the sound comes in.

`silero-vad` (Silero Team 2024, MIT; its weights lie in its wheel) knows voices from other sounds. Where it is not
installed, or has no network for the sampling rate, loudness decides: simpler, and it takes any noise for a voice.
"""

import importlib.util
import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from recog.audio import Waveform
from recog.errors import ConfigError

DETECTORS = ("auto", "silero", "loudness")
# Seconds of a window, and of the past that loudness is compared with.
WINDOW_SECONDS = 0.032
PAST_SECONDS = 20.0
# Silero's network is trained at these rates.
_SILERO_RATES_HZ = (8000, 16000)
# Below this chance of a voice, no voice: lower than Silero's own 0.5, since a word lost costs more than noise heard.
_LEAST_CHANCE = 0.3


class VoiceDetector(Protocol):
    """Judges one recording from its beginning to its end, and is used once."""

    # Samples of a window.
    window: int

    def __call__(self, samples: Waveform) -> NDArray[np.bool_]:
        """The next samples (k * window,) of the recording -> (k,) whether somebody speaks in each window."""
        ...


class LoudnessDetector:
    """Speech is what rises above the quietest tenth of the last 20 s.

    Where these 20 s are all alike (less than 10 dB between quiet and loud) everything above -60 dB of full scale is
    taken for speech: better too much than a word lost.
    """

    def __init__(self, rate_hz: int) -> None:
        self.window = max(1, round(WINDOW_SECONDS * rate_hz))
        self._past = np.zeros(0)

    def __call__(self, samples: Waveform) -> NDArray[np.bool_]:
        """As VoiceDetector."""
        power = np.square(samples.reshape(-1, self.window), dtype=np.float64).mean(axis=1)
        return np.array([self._speaks(10 * math.log10(one + 1e-10)) for one in power], bool)

    def _speaks(self, decibels: float) -> bool:
        self._past = np.append(self._past[-round(PAST_SECONDS / WINDOW_SECONDS) + 1 :], decibels)
        quiet, loud = np.percentile(self._past, (10, 95))
        quiet = max(quiet, loud - 50)  # a pause of zeros is no other than a real one
        if loud - quiet < 10:
            return decibels > -60
        return bool(decibels > quiet + min(12.0, 0.25 * (loud - quiet)))


class SileroDetector:
    """The network of silero-vad; refuses other rates than 8000 and 16000 Hz, and to work without the package."""

    def __init__(self, rate_hz: int) -> None:
        if rate_hz not in _SILERO_RATES_HZ:
            raise ConfigError(
                f"silero-vad hears 8000 or 16000 Hz, the bundle {rate_hz}; choose voice detector 'loudness'"
            )
        if not _installed():
            raise ConfigError("voice detector 'silero' needs silero-vad; pip install 'recog[voice]' or silero-vad")
        self.window, self._rate_hz = round(WINDOW_SECONDS * rate_hz), rate_hz
        self._network = _silero()
        self._network.reset_states()

    @torch.inference_mode()
    def __call__(self, samples: Waveform) -> NDArray[np.bool_]:
        """As VoiceDetector."""
        return np.fromiter(self._judged(samples), bool, samples.size // self.window)

    def _judged(self, samples: Waveform) -> Iterator[bool]:
        for window in torch.from_numpy(np.ascontiguousarray(samples)).reshape(-1, 1, self.window):
            yield float(self._network(window, self._rate_hz)) >= _LEAST_CHANCE


def _installed() -> bool:
    return importlib.util.find_spec("silero_vad") is not None


def _silero() -> Any:
    threads = torch.get_num_threads()
    try:
        import silero_vad

        return silero_vad.load_silero_vad()
    finally:
        torch.set_num_threads(threads)  # the package sets it to 1 for the whole process


def detector(name: str, rate_hz: int) -> VoiceDetector:
    """A detector for one recording at a rate, by name: "silero", "loudness", or "auto": Silero's where it can be had."""
    if name not in DETECTORS:
        raise ConfigError(f"voice detector is {name!r}; choose 'auto', 'silero' or 'loudness'")
    if name == "silero" or (name == "auto" and rate_hz in _SILERO_RATES_HZ and _installed()):
        return SileroDetector(rate_hz)
    return LoudnessDetector(rate_hz)
