"""How much goes on at each step of a sample: loudness of sound, ink of a line. What is low parts words."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recog.audio import SpeechFrontend, Waveform

# Below the loud parts of a recording by more than this, quiet is quiet: a pause of zeros is no other than a real one.
RANGE_DB = 50.0


def loudness(waveform: Waveform, frontend: SpeechFrontend) -> NDArray[np.float64]:
    """(n,) samples -> (T,) decibels, one value for each step of the features (T = 1 + n // hop).

    Power of the sound in 20 ms around each step; nothing is more than 50 dB below the loudest twentieth.
    """
    hop, half = round(frontend.hop_seconds * frontend.rate_hz), round(0.01 * frontend.rate_hz)
    sums = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    centres = np.arange(1 + len(waveform) // hop) * hop
    first, last = np.clip(centres - half, 0, len(waveform)), np.clip(centres + half, 0, len(waveform))
    found: NDArray[np.float64] = 10 * np.log10((sums[last] - sums[first]) / (2 * half) + 1e-10)
    return np.maximum(found, np.percentile(found, 95) - RANGE_DB)


def ink(features: Tensor) -> NDArray[np.float64]:
    """A line's features (T, F), paper at 0 and ink at 1 -> (T,) rows' worth of ink in each column, specks left out."""
    columns = features.numpy().astype(np.float64)
    found: NDArray[np.float64] = np.where(columns > 0.3, columns, 0.0).sum(axis=1)
    return found
