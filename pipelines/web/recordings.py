"""Recordings on the page: read once when they come, so that what cannot be read is refused; their texts while they grow,
when they were corrected, and as samples to train on.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from pipelines.lessons import Lessons, SpokenLesson
from pipelines.speech import Passage, SpeechPipeline
from pipelines.transcript import SpeechTranscript, SpokenWord, rewritten
from pipelines.web import player
from pipelines.web.limits import Limits, refusal, told
from pipelines.web.player import Wave
from pipelines.web.result import cache
from recog import audio
from recog.dictation import Dictation

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


class Growing:
    """What there is of a transcript so far, written as all of it will be."""

    def __init__(self, pipeline: SpeechPipeline) -> None:
        self._dictation = Dictation(pipeline.restorer)
        self._said: list[SpokenWord] = []
        self._written: list[SpokenWord] = []

    def hear(self, passage: Passage) -> SpeechTranscript:
        """The next passage, and all until its end."""
        self._said += passage.words
        self._written += rewritten(self._said, self._dictation.hear([word.text for word in passage.words]))
        words = (*self._written, *rewritten(self._said, self._dictation.open()))
        return SpeechTranscript(" ".join(word.text for word in words), words, round(passage.end, 3))


def corrected(kept: Sequence[Recording], chosen: int, texts: Any) -> list[Recording]:
    """The recordings, of which one has a corrected text. Refuses what is no list of texts: a browser sent it."""
    one = kept[chosen]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or one.transcript is None:
        raise refusal("The corrections did not arrive as texts; load the page again")
    with told(one.path):
        transcript = player.corrected(one.transcript, texts)
    changed = replace(one, transcript=transcript, summary="Corrected; words that you wrote are taken to be right.")
    return [changed if number == chosen else other for number, other in enumerate(kept)]


def lessons(kept: Sequence[Recording]) -> tuple[list[SpokenLesson], float]:
    """What can be learnt from the texts as they stand, each channel by itself, and how many seconds are cut for it."""
    found, total = list[SpokenLesson](), 0.0
    for one in kept:
        if one.transcript is None:
            continue
        channels = sorted({turn.channel for turn in one.transcript.turns})
        for channel in channels:
            words = [word for turn in one.transcript.turns if turn.channel == channel for word in turn.words]
            found.append(SpokenLesson(one.path.stem, one.path, tuple(words), channel))
        if not channels:
            found.append(SpokenLesson(one.path.stem, one.path, one.transcript.words))
        total += one.seconds * max(1, len(channels))
    return found, total


def taught(lessons: Lessons) -> str:
    """What became of the texts, and what to do with it."""
    rows, left_out = lessons.rows, lessons.left_out
    more = f" {left_out} more had figures that you wrote; write these as the words that are said." if left_out else ""
    return (
        f"{rows} sample{'s' * (rows != 1)} with what the text says now, taken to be right. Save them, and choose them in "
        f"the Train tab.{more}"
    )


def summarise(transcript: SpeechTranscript, seconds: float) -> str:
    """One line below the text."""
    if transcript.damage:
        return f"**{transcript.warning('This recording')}.**"
    if not transcript.text:
        return f"No speech was found in these {transcript.duration:.1f} seconds of sound."
    words = len(transcript.words)
    return (
        f"{words} word{'s' * (words != 1)} in {transcript.duration:.1f} s of sound, read in {seconds:.1f} s. "
        "Shaded words are unsure."
    )
