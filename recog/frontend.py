"""The (T, F) contract: whatever a sample is made of, a recogniser sees T steps along the reading direction, F features each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from recog import audio, image
from recog.audio import SpeechFrontend, Waveform
from recog.errors import ConfigError
from recog.image import HandwritingFrontend

Frontend = SpeechFrontend | HandwritingFrontend
# A sample between reading and feature extraction: a waveform, or a grey line at the frontend's height.
Decoded = Waveform | Image


@dataclass(frozen=True)
class Batch:
    """Sequences of mixed length, padded with zeros. Lengths never travel apart from the data."""

    # (B, T, F) float32.
    x: Tensor
    # (B,) int64, true lengths in steps.
    lengths: Tensor


def pad(sequences: Sequence[Tensor]) -> Batch:
    """Sequences (T_b, F) -> one Batch."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    x = torch.nn.utils.rnn.pad_sequence(list(sequences), batch_first=True)
    return Batch(x, lengths)


def decode(source: str | Path | bytes, frontend: Frontend) -> Decoded:
    """File or bytes -> the waveform or line picture that features are computed from; the costly half of `extract`."""
    if isinstance(frontend, SpeechFrontend):
        return audio.read(source, frontend.rate_hz)
    return image.fit_height(image.read(source), frontend)


def features(decoded: Decoded, frontend: Frontend) -> Tensor:
    """What `decode` gave -> (T, F) float32."""
    if isinstance(frontend, SpeechFrontend) and isinstance(decoded, np.ndarray):
        return audio.features(decoded, frontend)
    if isinstance(frontend, HandwritingFrontend) and isinstance(decoded, Image):
        return image.features(decoded, frontend)
    raise ConfigError(f"a {type(decoded).__name__} came to a {type(frontend).__name__}")


def extract(source: str | Path | bytes, frontend: Frontend) -> Tensor:
    """File or bytes -> (T, F): the way from a sample to features, in training and in use alike."""
    return features(decode(source, frontend), frontend)


def media(frontend: Frontend) -> str:
    """The manifest key of the samples this frontend reads: "audio" or "image"."""
    return "audio" if isinstance(frontend, SpeechFrontend) else "image"
