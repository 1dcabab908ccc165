"""A toy language that is whistled: every letter is a chord of two tones, so a network can learn it in a minute."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Letters in a grid of lower and higher tones, as on a telephone's keys; neighbours are a factor of about 1.4 apart.
LETTERS = "adeiklmnorst"
LOW_HZ = (350.0, 500.0, 700.0)
HIGH_HZ = (1100.0, 1550.0, 2200.0, 3100.0)
RATE_HZ = 16000


@dataclass(frozen=True)
class Voice:
    """How somebody whistles."""

    # Factor on every tone: 0.9 to 1.1 keeps the letters apart.
    pitch: float
    # Length of a letter or of the gap between words.
    letter_seconds: float
    # Noise over the whole recording, as a share of the tones' amplitude.
    noise: float


def voice(random: np.random.Generator) -> Voice:
    """A voice drawn at random."""
    return Voice(random.uniform(0.9, 1.1), random.uniform(0.06, 0.12), random.uniform(0.2, 2.0))


def whistle(text: str, voice: Voice, random: np.random.Generator) -> NDArray[np.int16]:
    """A text of LETTERS and spaces -> 16-bit samples at RATE_HZ, with 0.1 s of noise before and after."""
    edge = np.zeros(round(0.1 * RATE_HZ))
    pieces = [edge]
    for character in text:
        length = round(voice.letter_seconds * random.uniform(0.8, 1.2) * RATE_HZ)
        pieces.append(_chord(character, length, voice.pitch * random.uniform(0.96, 1.04), random))
    clean = np.concatenate([*pieces, edge])
    noisy = clean + random.normal(0, voice.noise, clean.size)
    loudness = random.uniform(0.05, 0.15)  # far from clipping: chord and noise hardly ever exceed 6
    return np.clip(noisy * loudness * 32767, -32768, 32767).astype(np.int16)


def _chord(character: str, length: int, pitch: float, random: np.random.Generator) -> NDArray[np.float64]:
    if character == " ":
        return np.zeros(length)
    row, column = divmod(LETTERS.index(character), len(HIGH_HZ))
    phase = 2 * np.pi * np.arange(length) / RATE_HZ * pitch
    # A Hann window parts the letters.
    window = np.hanning(length)
    low, high = (np.sin(phase * hz + random.uniform(0, 2 * np.pi)) for hz in (LOW_HZ[row], HIGH_HZ[column]))
    return np.asarray(window * (low + high), dtype=np.float64)
