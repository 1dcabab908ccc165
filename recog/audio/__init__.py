"""Sound: any file or bytes -> mono waveform at one rate -> log-mel or MFCC features (T, F)."""

from recog.audio.frontend import (
    SpeechFrontend,
    cosine_transform,
    deltas,
    features,
    log_energy,
    log_mel,
    mel_bank,
    normalise,
)
from recog.audio.reading import Description, Waveform, describe, is_silent, read, stream

__all__ = [
    "Description",
    "SpeechFrontend",
    "Waveform",
    "cosine_transform",
    "deltas",
    "describe",
    "features",
    "is_silent",
    "log_energy",
    "log_mel",
    "mel_bank",
    "normalise",
    "read",
    "stream",
]
