"""A transcript -> the content of a file in one of the formats; and the file, whole or not at all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines import page_rendering
from pipelines.page_rendering import Original, PageOptions
from pipelines.transcript import SpeechTranscript, SpokenWord, Transcript, Turn
from recog.errors import ConfigError, InputError
from recog.formats import ctm, docx, srt, textgrid, vtt
from recog.formats.ctm import CtmRecording
from recog.formats.cues import CueOptions, cues
from recog.formats.docx import Paragraph, paragraphs
from recog.formats.textgrid import TextGrid, Tier
from recog.formats.timed import Timed
from recog.formats.vtt import VoicedCue

# Formats of sound, and what the names of their files end with.
SUFFIXES_OF_SOUND = {
    "txt": ".txt",
    "json": ".json",
    "srt": ".srt",
    "vtt": ".vtt",
    "ctm": ".ctm",
    "textgrid": ".TextGrid",
    "docx": ".docx",
}
# Formats of sound and of handwriting.
SUFFIXES = {**SUFFIXES_OF_SOUND, **page_rendering.SUFFIXES}
# What a page of writing can become.
FORMATS_OF_PAGES = tuple(page_rendering.SUFFIXES)


@dataclass(frozen=True)
class Rendering:
    """What transcripts are to become."""

    form: str = "txt"
    # Words below this confidence, 0 to 1, are marked, in docx; None: none are.
    doubtful: float | None = None
    # Of handwriting: the spelling, and which words are followed by [unclear].
    pages: PageOptions = PageOptions()

    def __post_init__(self) -> None:
        if self.form not in SUFFIXES:
            raise ConfigError(f"format is {self.form!r}; choose one of {', '.join(SUFFIXES)}")
        if self.doubtful is not None and (self.form != "docx" or not 0 <= self.doubtful <= 1):
            raise ConfigError("doubtful words are marked in format docx alone, below a confidence from 0 to 1")
        if self.form == "gt" and self.pages != PageOptions():
            raise ConfigError("lines to train on (format gt) have the text as it was read: without spelling or unclear")
        if self.form == "docx":
            docx.require()  # before hours of work, not after

    @property
    def of_pages(self) -> PageOptions:
        """What is to be done to the text of pages."""
        return replace(self.pages, doubtful=self.doubtful)


def render(transcript: Transcript, path: Path, rendering: Rendering, content: bytes | None = None) -> bytes:
    """The content of the file for the transcript of `path`; what makes a folder (page_rendering), as a ZIP of it.

    `content`: the bytes that were transcribed, where they do not lie under that name; some formats of handwriting show
    the pages. Refuses a format of sound for handwriting, and the other way round.
    """
    form = rendering.form
    if not isinstance(transcript, SpeechTranscript):
        return page_rendering.render(transcript, Original(path, content), form, rendering.of_pages)
    if form not in SUFFIXES_OF_SOUND:
        raise InputError(f"{path} is a recording, which format {form} cannot hold; use {', '.join(SUFFIXES_OF_SOUND)}")
    if form == "json":
        return _utf8(json.dumps({"file": str(path), **transcript.as_json()}, ensure_ascii=False) + "\n")
    if form == "txt":
        told = [f"{_name(turn)}: {turn.text}\n" for turn in transcript.turns]
        return _utf8("".join(told) if transcript.turns else transcript.text + "\n")
    if form == "docx":
        parts = [part for turn in transcript.turns for part in paragraphs(_timed(turn.words), _name(turn))]
        return docx.dumps(path.stem, parts or _plain_paragraphs(transcript), rendering.doubtful)
    return _utf8(_with_times(transcript, path, form))


def write_to(target: Path, transcript: Transcript, path: Path, rendering: Rendering) -> None:
    """Writes the file, or the folder, for the transcript of `path`; page by page where it shows them."""
    if isinstance(transcript, SpeechTranscript):
        write(render(transcript, path, rendering), target)
    else:
        page_rendering.write(transcript, Original(path), rendering.form, target, rendering.of_pages)


def _with_times(transcript: SpeechTranscript, path: Path, form: str) -> str:
    channels = _channels(transcript)
    if form == "ctm":
        return ctm.dumps([CtmRecording(path.stem, _timed(words), str(number or 1)) for number, words in channels])
    if form == "textgrid":
        tiers = [Tier(f"channel {number}" if number else "words", _timed(words)) for number, words in channels]
        return textgrid.dumps(TextGrid(transcript.duration, tuple(tiers)))
    if form == "vtt":
        voiced = [
            VoicedCue(cue.text, cue.start, cue.end, cue.confidence, f"Channel {number}" if number else "")
            for number, words in channels
            for cue in cues(_timed(words))
        ]
        return vtt.dumps(sorted(voiced, key=lambda cue: cue.start))
    shown = [
        Timed(f"{number}: {cue.text}" if number else cue.text, cue.start, cue.end)
        for number, words in channels
        for cue in cues(_timed(words), CueOptions(line_characters=39) if number else None)  # room for the number
    ]
    return srt.dumps(sorted(shown, key=lambda cue: cue.start))


def _channels(transcript: SpeechTranscript) -> list[tuple[int, list[SpokenWord]]]:
    """The words of each channel in order; channel 0 holds all where they were heard together."""
    if not transcript.turns:
        return [(0, list(transcript.words))]
    numbers = sorted({turn.channel for turn in transcript.turns})
    return [
        (number, [word for turn in transcript.turns if turn.channel == number for word in turn.words])
        for number in numbers
    ]


def _plain_paragraphs(transcript: SpeechTranscript) -> list[Paragraph]:
    return paragraphs(_timed(transcript.words))


def _name(turn: Turn) -> str:
    return f"Channel {turn.channel}"


def _timed(words: Sequence[SpokenWord]) -> tuple[Timed, ...]:
    return tuple(Timed(word.text, word.start, word.end, word.confidence) for word in words)


def _utf8(content: str) -> bytes:
    return content.encode("utf-8")


def write(content: bytes, target: Path) -> None:
    """Writes a file, whole or not at all. Refuses where it cannot write."""
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from error
