"""What is being said, while it is said: the text so far, again with every bit of sound that comes."""

from math import gcd

import numpy as np
from scipy import signal

from recog import audio
from recog.activity import loudness
from recog.audio import SpeechFrontend, Waveform
from recog.errors import ConfigError
from recog.recognizer import Recognizer

# What is listened to again grows to so much; then it is parted where it is quietest, and the first part settles.
LONGEST_SECONDS = 10.0
# The parting lies within this part of it, so that both sides know what is around them.
FIRST, LAST = 0.4, 0.85
# Quiet means quiet for so long.
_LULL_SECONDS = 0.2


class LiveText:
    """The text of a stream of sound. It costs a second of listening to at most 10 s at every call of `hear`.

    Both directions of the network need the whole of what they read, so the last seconds are read again each time, and
    their text may still change; what has settled does not.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        if not isinstance(recognizer.bundle.frontend, SpeechFrontend):
            raise ConfigError(f"bundle {recognizer.bundle.name} reads {recognizer.bundle.kind}; expected speech")
        self.recognizer, self.frontend = recognizer, recognizer.bundle.frontend
        self.settled = self.open = ""
        self._rate_hz = 0
        self._tail = np.zeros(0, np.float32)

    @property
    def text(self) -> str:
        """All so far."""
        return f"{self.settled} {self.open}".strip()

    def hear(self, samples: Waveform, rate_hz: int, read: bool = True) -> str:
        """The next samples (n,) in -1..1 -> the text so far. One stream keeps one rate.

        Whoever lags behind the stream may leave out the reading now and then: nothing is lost by it.
        """
        if rate_hz < 1 or self._rate_hz not in (0, rate_hz):
            raise ConfigError(f"sound came with {rate_hz} samples a second; expected {self._rate_hz or 'more than 0'}")
        self._rate_hz = rate_hz
        self._tail = np.concatenate([self._tail, samples.astype(np.float32)])
        if not read:
            return self.text
        waveform = self._resampled()
        if len(waveform) > LONGEST_SECONDS * self.frontend.rate_hz:
            cut = self._quietest(waveform)
            self.settled = f"{self.settled} {self._read(waveform[:cut])}".strip()
            self._tail = self._tail[round(cut * rate_hz / self.frontend.rate_hz) :]
            waveform = waveform[cut:]
        self.open = self._read(waveform)
        return self.text

    def _read(self, waveform: Waveform) -> str:
        # Half a syllable is no word, and digital silence none either.
        if len(waveform) < 0.1 * self.frontend.rate_hz or audio.is_silent(waveform):
            return ""
        return self.recognizer.recognise([audio.features(waveform, self.frontend)])[0].text

    def _resampled(self) -> Waveform:
        wanted = self.frontend.rate_hz
        if not self._tail.size or self._rate_hz == wanted:
            return self._tail
        common = gcd(wanted, self._rate_hz)
        resampled: Waveform = signal.resample_poly(self._tail, wanted // common, self._rate_hz // common)
        return resampled.astype(np.float32)

    def _quietest(self, waveform: Waveform) -> int:
        """The sample in the middle of the quietest lull."""
        levels = loudness(waveform, self.frontend)
        steps = max(1, round(_LULL_SECONDS / self.frontend.hop_seconds))
        smooth = np.convolve(levels, np.ones(steps) / steps, "same")
        first, last = round(FIRST * len(smooth)), round(LAST * len(smooth))
        step = first + int(np.argmin(smooth[first:last]))
        return min(len(waveform), round(step * self.frontend.hop_seconds * self.frontend.rate_hz))
