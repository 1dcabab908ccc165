"""A long recording and its whole text -> sentence rows for training: cut sound, manifest, and what was left out and why.

    FOLDER/manifest.jsonl      one row a sentence: audio, text as written, duration, confidence, recording, start, end
    FOLDER/left_out.jsonl      sentences that are not for training: text, reason, confidence, what was heard instead
    FOLDER/clips/NAME/00001.flac ...

A book read aloud is never its text: title pages are skipped, announcements added, lines misread. Only sentences that are
found in their place and agree with what is heard there become rows. `confidence` is the geometric mean, per label, of the
text's chance against the best reading; on a recogniser with 30 % CER sentences read as written have 0.3 to 0.9.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from pipelines.alignment import AlignedSentence, SpeechAligner, SpeechAlignment
from recog import audio
from recog.audio import Waveform
from recog.errors import ConfigError

# Moments closer than this are the same: seconds are rounded to thousandths.
_SAME = 1e-3


@dataclass(frozen=True)
class CutOptions:
    """Which sentences become rows, and how they are cut."""

    # Longer sentences are parted at their longest pauses, shorter ones left out.
    longest_seconds: float = 20.0
    shortest_seconds: float = 0.5
    # Sentences below are left out: as a whole, and at their weakest stretch of 20 letters.
    least_confidence: float = 0.2
    least_weakest: float = 0.03
    # Sound kept before and after a sentence where there is as much before the neighbour begins.
    margin_seconds: float = 0.2
    # Whether sentences with words that the text rule cannot spell ("1860") become rows, sound without letters.
    keep_unspelled: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.shortest_seconds < self.longest_seconds or self.margin_seconds < 0:
            raise ConfigError("sentences: expected 0 <= shortest_seconds < longest_seconds and margin_seconds >= 0")
        if not (0 <= self.least_confidence <= 1 and 0 <= self.least_weakest <= 1):
            raise ConfigError("sentences: least_confidence and least_weakest are chances from 0 to 1")


@dataclass(frozen=True)
class Clip:
    """A row to be, and the seconds that are cut out for it."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class LeftOut:
    """A sentence that becomes no row."""

    text: str
    reason: str
    confidence: float | None
    heard: str


def cut_sentences(
    aligner: SpeechAligner, path: Path, text: str, folder: Path, options: CutOptions | None = None
) -> tuple[list[dict[str, Any]], list[LeftOut]]:
    """A recording and its text -> manifest rows, whose clips (flac, 16 bit, at the bundle's rate) lie below `folder`.

    Refuses what `SpeechAligner` refuses. A clip appears under its name only when it is whole.
    """
    options = options or CutOptions()
    rate_hz = aligner.frontend.rate_hz
    waveform = audio.read(path, rate_hz)
    kept, left_out = choose(aligner.align(waveform, text), options)
    rows = []
    for number, clip in enumerate(kept, 1):
        name = f"clips/{path.stem}/{number:05}.flac"
        sound = waveform[round(clip.start * rate_hz) : round(clip.end * rate_hz)]
        _write(folder / name, sound, rate_hz)
        rows.append(
            {
                "audio": name,
                "text": clip.text,
                "duration": round(len(sound) / rate_hz, 3),
                "confidence": clip.confidence,
                "recording": path.name,
                "start": round(clip.start, 3),
                "end": round(clip.end, 3),
                "source": path.stem,
            }
        )
    return rows, left_out


def choose(alignment: SpeechAlignment, options: CutOptions) -> tuple[list[Clip], list[LeftOut]]:
    """The sentences of an alignment that are fit for training, in order, and the others with the reason."""
    kept: list[Clip] = []
    left_out = []
    busy = sorted([*alignment.placed, *alignment.unexplained], key=lambda piece: piece.start)
    starts, ends = [piece.start for piece in busy], [piece.end for piece in busy]
    for sentence in alignment.sentences:
        reason = _flaw(alignment, sentence, options)
        if reason:
            left_out.append(LeftOut(sentence.text, reason, sentence.confidence, sentence.heard))
            continue
        placed = [number for number in range(sentence.first, sentence.last) if alignment.words[number] is not None]
        for numbers in _parts(alignment, placed, options.longest_seconds):
            text = alignment.wording.text_of(numbers[0], numbers[-1] + 1)
            start, end = _extent(alignment, numbers)
            # Half the pause belongs to the neighbour.
            before = ends[bisect_right(ends, start + _SAME) - 1] if ends[0] <= start + _SAME else 0.0
            at = bisect_left(starts, end - _SAME)
            after = starts[at] if at < len(starts) else 2 * alignment.duration - end
            left = min(options.margin_seconds, max(0.0, start - before) / (2 if before else 1))
            right = min(options.margin_seconds, max(0.0, after - end) / 2)
            clip = Clip(text, start - left, end + right, sentence.confidence or 0.0)
            if options.shortest_seconds <= clip.end - clip.start <= options.longest_seconds + left + right:
                kept.append(clip)
            else:
                limits = f"{options.shortest_seconds:g} to {options.longest_seconds:g} s"
                reason = f"lasts {clip.end - clip.start:.1f} s, outside {limits}"
                left_out.append(LeftOut(text, reason, sentence.confidence, sentence.heard))
    return kept, left_out


def _flaw(alignment: SpeechAlignment, sentence: AlignedSentence, options: CutOptions) -> str:
    """Why a sentence is not fit for training; "" if it is."""
    words = alignment.wording.words[sentence.first : sentence.last]
    unspelled = [word.text for word in words if word.read_aloud and not word.spelled]
    if not any(word.spelled for word in words):
        return "holds nothing that the bundle can spell"
    if sentence.confidence is None or sentence.weakest is None:
        return "not heard in the recording"
    if sentence.confidence < options.least_confidence:
        return f"something else is heard: confidence below {options.least_confidence:g}"
    if sentence.weakest < options.least_weakest:
        return f"a few words are not what is heard: confidence of the weakest stretch below {options.least_weakest:g}"
    if unspelled and not options.keep_unspelled:
        return f"holds {unspelled[0]!r}, which the bundle cannot spell; write it out in words"
    return ""


def _extent(alignment: SpeechAlignment, numbers: Sequence[int]) -> tuple[float, float]:
    first, last = alignment.words[numbers[0]], alignment.words[numbers[-1]]
    assert first is not None and last is not None
    return first.start, last.end


def _parts(alignment: SpeechAlignment, numbers: Sequence[int], longest_seconds: float) -> Iterator[Sequence[int]]:
    """The words of a sentence, parted at the longest pause again and again until no part is too long.

    A pause at a comma or the like counts for 0.2 s more, one within the first or last second not at all.
    """
    start, end = _extent(alignment, numbers)
    best, at = 0.0, 0
    for place in range(1, len(numbers)):
        before, after = alignment.words[numbers[place - 1]], alignment.words[numbers[place]]
        assert before is not None and after is not None
        pause = after.start - before.end + (0.2 if not before.text[-1].isalnum() else 0.01)
        if pause > best and before.end - start >= 1 and end - after.start >= 1:
            best, at = pause, place
    if end - start <= longest_seconds or at == 0:
        yield numbers
    else:
        yield from _parts(alignment, numbers[:at], longest_seconds)
        yield from _parts(alignment, numbers[at:], longest_seconds)


def _write(path: Path, sound: Waveform, rate_hz: int) -> None:
    """A flac file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    # Rounded as the samples were when they were read, so that reading gives them back bit by bit.
    soundfile.write(partial, np.rint(sound * 32767).astype(np.int16), rate_hz, format="FLAC", subtype="PCM_16")
    partial.replace(path)
