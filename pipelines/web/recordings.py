"""Recordings that were uploaded or spoken: read once, so that what cannot be read is refused, and drawn for the player."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from pipelines.transcript import SpeechTranscript
from pipelines.web.limits import Limits
from pipelines.web.player import Wave
from pipelines.web.result import cache
from recog import audio

# What browsers can play; anything else is turned into flac for the player.
PLAYABLE = {".wav", ".mp3", ".ogg", ".oga", ".opus", ".flac", ".m4a", ".aac", ".mp4", ".webm"}
RATE_HZ = 16000


@dataclass(frozen=True)
class Recording:
    """A recording on the page."""

    # As it was uploaded, and as browsers can play it.
    path: Path
    playable: Path
    seconds: float
    # The waveform, as the path of an SVG.
    wave: str
    transcript: SpeechTranscript | None = None
    # The sentence below the text.
    summary: str = ""
    # What of it could not be read; empty where it is whole.
    damage: tuple[str, ...] = ()


def take(path: Path, limits: Limits, tell: Callable[[float, float | None], None] | None = None) -> Recording:
    """A file -> a recording on the page. Refuses, in a sentence, what holds no sound and what is longer than the limit.

    `tell` is told of seconds read, and of how many there are, where the file says so.
    """
    declared = audio.describe(path).seconds
    damage: list[str] = []
    wave, playable, file = Wave(), path, None
    if path.suffix.lower() not in PLAYABLE:
        playable = Path(tempfile.mkdtemp(dir=cache())) / f"{path.stem}.flac"
        file = soundfile.SoundFile(playable, "w", RATE_HZ, 1, "PCM_16", format="FLAC")
    try:
        for block in audio.stream(path, RATE_HZ, limits.seconds, damage):
            wave.add(block)
            if file is not None:
                # Samples lie on the grid of 16 bits already.
                file.write(np.round(block * 32768).clip(-32768, 32767).astype(np.int16))
            if tell:
                tell(wave.samples / RATE_HZ, declared)
    finally:
        if file is not None:
            file.close()
    return Recording(path, playable, wave.samples / RATE_HZ, wave.path(), damage=tuple(damage))
