"""The player of a recording and its text: words that play when they are clicked, and can be corrected where they stand."""

import html
import urllib.parse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gradio as gr
import numpy as np

from pipelines import correction
from pipelines.transcript import SpeechTranscript, SpokenWord
from pipelines.web.result import UNSURE, percent
from recog.audio import Waveform
from recog.errors import InputError

SCRIPT = (Path(__file__).parent / "assets" / "player.js").read_text(encoding="utf-8")
# Ids of the two parts, by which the script finds one from the other.
PLAYER, TEXT = "speech-player", "speech-text"
NO_PLAYER = '<p class="hint">The recording will appear here, with its waveform.</p>'
NO_TEXT = '<p class="hint">The text will appear here. Click a word to hear it.</p>'
SPEEDS = (0.5, 0.75, 1, 1.25, 1.5, 2)
# A silence of so long begins a new paragraph.
PARAGRAPH_SECONDS = 1.2
# Columns of the waveform, and its height in units of the drawing.
_COLUMNS, _HEIGHT = 600, 60


def parts() -> tuple[gr.HTML, gr.HTML]:
    """Places the player and the text; the script of both belongs to the text."""
    return (
        gr.HTML(player(), elem_id=PLAYER, js_on_load=None),
        gr.HTML(region(NO_TEXT), elem_id=TEXT, js_on_load=SCRIPT),
    )


class Wave:
    """The outline of a recording, gathered while it is read; memory does not grow with it."""

    def __init__(self) -> None:
        self._peaks = np.zeros(0, np.float32)
        # Samples to a peak; doubled when there are too many peaks.
        self._each = 64
        self._rest = np.zeros(0, np.float32)
        self.samples = 0

    def add(self, block: Waveform) -> None:
        """The next samples (n,)."""
        self.samples += block.size
        samples = np.concatenate([self._rest, np.abs(block)])
        whole = samples.size // self._each
        self._rest = samples[whole * self._each :]
        self._peaks = np.concatenate(
            [self._peaks, samples[: whole * self._each].reshape(whole, -1).max(1, initial=0.0)]
        )
        while self._peaks.size >= 4 * _COLUMNS:
            if self._peaks.size % 2:  # the odd one goes back into the rest as one sample that is as loud
                self._rest = np.concatenate([np.full(self._each, self._peaks[-1], np.float32), self._rest])
                self._peaks = self._peaks[:-1]
            self._peaks = self._peaks.reshape(-1, 2).max(1)
            self._each *= 2

    def path(self) -> str:
        """The outline as the path of an SVG, 600 wide and 60 high, as loud as the loudest peak allows."""
        peaks = self._peaks if self._peaks.size else np.zeros(1, np.float32)
        columns = min(_COLUMNS, peaks.size)
        borders = np.linspace(0, peaks.size, columns + 1).astype(int)
        tops = np.maximum.reduceat(peaks, borders[:-1]) / max(float(peaks.max()), 1e-3)
        xs = np.linspace(0, _COLUMNS, columns)
        half = _HEIGHT / 2
        upper = [f"{x:.0f} {half - top * (half - 1):.1f}" for x, top in zip(xs, tops, strict=True)]
        lower = [f"{x:.0f} {half + top * (half - 1):.1f}" for x, top in zip(xs[::-1], tops[::-1], strict=True)]
        return "M" + "L".join([*upper, *lower]) + "Z"


def player(path: Path | None = None, name: str = "", wave: str = "") -> str:
    """The player as HTML: the browser's own controls, the waveform, and a choice of speeds."""
    if path is None:
        return f'<div class="player">{NO_PLAYER}</div>'
    address = "gradio_api/file=" + urllib.parse.quote(str(path))
    speeds = "".join(f'<option value="{speed:g}"{" selected" * (speed == 1)}>{speed:g} ×</option>' for speed in SPEEDS)
    return (
        f'<div class="player"><div class="wave" aria-hidden="true"><svg viewBox="0 0 {_COLUMNS} {_HEIGHT}" '
        f'preserveAspectRatio="none"><path d="{wave}"/><rect class="played" width="0" height="{_HEIGHT}"/></svg></div>'
        f'<div class="controls"><audio controls preload="auto" src="{html.escape(address)}" '
        f'aria-label="{html.escape(name)}"></audio><label>Speed <select class="speed">{speeds}</select></label></div></div>'
    )


@dataclass(frozen=True)
class Paragraph:
    """Words that are shown together, and who says them; 0: nobody knows."""

    words: tuple[SpokenWord, ...]
    channel: int = 0


def paragraphs(transcript: SpeechTranscript) -> list[Paragraph]:
    """The turns of the speakers, or where there are none, what lies between long silences."""
    if transcript.turns:
        return [Paragraph(turn.words, turn.channel) for turn in transcript.turns]
    return [Paragraph(words) for words in parted(transcript.words)]


def parted(words: Iterable[SpokenWord]) -> list[tuple[SpokenWord, ...]]:
    """Words in order -> groups between silences."""
    groups: list[list[SpokenWord]] = []
    for word in words:
        if not groups or word.start - groups[-1][-1].end >= PARAGRAPH_SECONDS:
            groups.append([])
        groups[-1].append(word)
    return [tuple(group) for group in groups]


def corrected(transcript: SpeechTranscript, texts: Sequence[str]) -> SpeechTranscript:
    """A transcript whose paragraphs were corrected; refuses texts of other paragraphs than it has."""
    shown = paragraphs(transcript)
    if len(texts) != len(shown):
        raise InputError(f"{len(texts)} paragraphs came back of {len(shown)}; load the page again and correct anew")
    said = [correction.spoken(part.words, text) for part, text in zip(shown, texts, strict=True)]
    words = tuple(word for group in said for word in group)
    transcript = replace(transcript, spoken="")  # what was heard is no longer what the text says
    if not transcript.turns:
        return replace(transcript, words=words, text=" ".join(word.text for word in words))
    turns = tuple(replace(turn, words=group) for turn, group in zip(transcript.turns, said, strict=True) if group)
    return replace(transcript, words=words, turns=turns, text="\n".join(turn.text for turn in turns))


def text(transcript: SpeechTranscript) -> str:
    """The text as HTML, with its tools."""
    shown = paragraphs(transcript)
    return region("".join(_paragraph(part, len(shown) > 1) for part in shown) or NO_TEXT, bool(shown))


def heard(words: Sequence[SpokenWord]) -> str:
    """What there is so far of a text that grows, as HTML."""
    return region("".join(f"<p>{html.escape(' '.join(word.text for word in part))}</p>" for part in parted(words)))


def region(inside: str, tools: bool = False) -> str:
    """The frame of the text: reached by the tabulator key, and read aloud by a screen reader when it changes."""
    bar = (
        '<div class="tools"><button type="button" class="correct">Correct the text</button>'
        '<button type="button" class="done" hidden>Done</button>'
        '<button type="button" class="discard" hidden>Discard changes</button>'
        '<span class="hint how">Click a word to hear it; with the keyboard, arrows walk and Enter plays.</span></div>'
    )
    return (
        f'{bar if tools else ""}<div class="transcript" role="region" aria-label="Text" aria-live="polite" '
        f'tabindex="0">{inside}</div>'
    )


def _paragraph(part: Paragraph, several: bool) -> str:
    start = part.words[0].start
    who = f"Channel {part.channel} " if part.channel else ""
    head = f'<small class="who channel{part.channel % 4}">{who}{clock(start)}</small>' if several or who else ""
    return f'<div class="said">{head}<p data-start="{clock(start)}">{" ".join(map(_word, part.words))}</p></div>'


def _word(word: SpokenWord) -> str:
    unsure = " unsure" if word.confidence < UNSURE else ""
    title = f"{clock(word.start, 1)}, {percent(word.confidence)} sure"
    return (
        f'<span class="w{unsure}" data-s="{word.start:g}" data-e="{word.end:g}" title="{title}">'
        f"{html.escape(word.text)}</span>"
    )


def clock(seconds: float, digits: int = 0) -> str:
    """83.25 -> 1:23, or 1:23.2 with a digit; never rounded up, so that what is said lies after it."""
    tenths = int(seconds * 10**digits)
    whole, part = divmod(tenths, 10**digits)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    face = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{face}.{part:0{digits}}" if digits else face
