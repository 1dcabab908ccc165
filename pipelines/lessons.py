"""What somebody corrected of recordings, as samples to train on: short pieces with a manifest."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from pipelines.correction import shared
from pipelines.transcript import SpokenWord
from recog import audio
from recog.errors import InputError

MANIFEST = "train.jsonl"
RATE_HZ = 16000
# A piece ends at a pause of so long when it has grown to so much, and at any border of words before it grows too long.
PAUSE_SECONDS, SHORT_SECONDS, LONGEST_SECONDS = 0.25, 3.0, 15.0
# So much is kept of the pauses around a piece.
MARGIN_SECONDS = 0.25
_FIGURE = re.compile(r"\W*\d")


@dataclass(frozen=True)
class Lessons:
    """What was written."""

    # Samples.
    rows: int
    # Pieces that became none, because their text has figures that nobody knows the words of.
    left_out: int


@dataclass(frozen=True)
class SpokenLesson:
    """A recording of one channel, or of all together, and what is said in it."""

    # What its pieces are called after.
    name: str
    path: Path
    words: tuple[SpokenWord, ...]
    # Counted from 1; None: all channels together.
    channel: int | None = None


def said(word: SpokenWord) -> list[SpokenWord]:
    """A word as it was said: of a figure its words, which share its time by their letters."""
    parts = word.spoken.split()
    if not parts:
        return [word]
    placed = shared(word.start, word.end, parts)
    return [
        SpokenWord(part, round(at.start, 3), round(at.end, 3), word.confidence)
        for part, at in zip(parts, placed, strict=True)
    ]


def pieces(words: Sequence[SpokenWord]) -> list[tuple[SpokenWord, ...]]:
    """Words in order -> groups of them that are long enough to learn from and no longer than 15 s, cut at pauses."""
    groups: list[list[SpokenWord]] = []
    for word in words:
        if groups:
            group = groups[-1]
            paused = word.start - group[-1].end >= PAUSE_SECONDS and group[-1].end - group[0].start >= SHORT_SECONDS
            if not paused and word.end - group[0].start <= LONGEST_SECONDS:
                group.append(word)
                continue
        groups.append([word])
    return [tuple(group) for group in groups]


def write_spoken(
    lessons: Sequence[SpokenLesson], target: Path, tell: Callable[[float], object] = lambda seconds: None
) -> Lessons:
    """Writes a ZIP file with a FLAC file for each piece and `train.jsonl`, which `recog train` takes.

    Networks learn what is said: figures are written as their words. `tell` is told how many seconds of all recordings are done, a second that was read and not
    yet cut being half done; what it raises ends the writing. Refuses texts without a word, and recordings that cannot be read.
    """
    rows, left_out, done = [], 0, 0.0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for lesson in lessons:
            channel = None if lesson.channel is None else lesson.channel - 1
            blocks = []
            for block in audio.stream(lesson.path, RATE_HZ, channel=channel):
                blocks.append(block)
                done += block.size / RATE_HZ / 2
                tell(done)
            waveform, before = np.concatenate(blocks), done
            words = [part for word in lesson.words for part in said(word)]
            for number, (group, start, end) in enumerate(_spans(words, len(waveform) / RATE_HZ), 1):
                if any(_FIGURE.match(word.text) for word in group):
                    left_out += 1
                    continue
                name = f"audio/{_plain(lesson.name)}{'' if channel is None else f'-{lesson.channel}'}-{number:04}.flac"
                content = io.BytesIO()
                piece = waveform[round(start * RATE_HZ) : round(end * RATE_HZ)]
                soundfile.write(content, piece, RATE_HZ, "PCM_16", format="FLAC")
                archive.writestr(name, content.getvalue())
                rows.append(_row(name, group, start, len(piece) / RATE_HZ))
                tell(before + end / 2)
            done = before + waveform.size / RATE_HZ / 2
        if not rows and left_out:
            raise InputError("every passage has figures that you wrote; write them as the words that are said")
        if not rows:
            raise InputError("there is no word to train on; transcribe a recording, and correct its text")
        archive.writestr(MANIFEST, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return Lessons(len(rows), left_out)


def _spans(words: Sequence[SpokenWord], seconds: float) -> Iterator[tuple[tuple[SpokenWord, ...], float, float]]:
    """Each piece with where it is cut: in the middle of the pauses around it, or a quarter of a second from its words."""
    groups = pieces(words)
    for number, group in enumerate(groups):
        before = groups[number - 1][-1].end if number else 0.0
        after = groups[number + 1][0].start if number + 1 < len(groups) else seconds
        left, right = group[0].start, group[-1].end
        start = max(0.0, left - MARGIN_SECONDS, (before + left) / 2 if number else 0.0)
        end = min(seconds, right + MARGIN_SECONDS, (after + right) / 2 if number + 1 < len(groups) else seconds)
        if end > start:
            yield group, start, end


def _row(name: str, group: Sequence[SpokenWord], start: float, duration: float) -> dict[str, object]:
    """A line of the manifest; times of the words count from the start of the piece."""
    words = [
        {"text": word.text, "start": round(max(0.0, word.start - start), 3), "end": round(word.end - start, 3)}
        for word in group
    ]
    text = " ".join(word.text for word in group)
    return {"audio": name, "text": text, "duration": round(duration, 3), "source": "corrections", "words": words}


def _plain(name: str) -> str:
    """A name that is safe in every archive and file system."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:80] or "sample"
