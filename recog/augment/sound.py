"""Changes to a recording: other voices, rooms, noises, microphones and lines."""

from dataclasses import dataclass, replace

import numpy as np

from recog.audio import SpeechFrontend
from recog.augment.masking import Masking
from recog.errors import ConfigError


@dataclass(frozen=True)
class SpeechAugment:
    """Other tempos, other vocal tracts: both are other analysis settings, so they cost nothing."""

    # Tempo factor drawn from 1 - tempo .. 1 + tempo: the hop grows or shrinks.
    tempo: float = 0.0
    # Vocal tract factor drawn from 1 - warp .. 1 + warp: the mel corners move (Jaitly & Hinton 2013).
    warp: float = 0.0
    masking: Masking = Masking()

    def __post_init__(self) -> None:
        if not (0 <= self.tempo < 0.9 and 0 <= self.warp < 0.9):
            raise ConfigError(f"augment: tempo {self.tempo} and warp {self.warp} must lie in 0..0.9, 0.9 not included")


def vary_voice(frontend: SpeechFrontend, augment: SpeechAugment, random: np.random.Generator) -> SpeechFrontend:
    """The same frontend as if the speaker were faster or slower and larger or smaller (steps of 1 %)."""
    tempo = 1 + round(random.uniform(-augment.tempo, augment.tempo), 2)
    warp = 1 + round(random.uniform(-augment.warp, augment.warp), 2)
    return replace(frontend, hop_seconds=frontend.hop_seconds * tempo, warp=frontend.warp * warp)
