"""A page and its text side by side: what is pointed at in one is lit in the other, and lines are corrected in place."""

import html
import urllib.parse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gradio as gr

from pipelines import correction
from pipelines.transcript import PageTranscript, WrittenLine, WrittenWord
from pipelines.web.result import UNSURE, percent
from recog.errors import InputError

SCRIPT = (Path(__file__).parent / "assets" / "sheet.js").read_text(encoding="utf-8")
NO_TEXT = '<p class="hint">The text will appear here, beside the page.</p>'
_TOOLS = (
    '<div class="tools"><button type="button" class="correct">Correct the text</button>'
    '<button type="button" class="done" hidden>Done</button>'
    '<button type="button" class="discard" hidden>Discard changes</button>'
    '<span class="hint how">Point at a line, here or on the page; with the keyboard, arrows walk from line to line.</span>'
    "</div>"
)


def part() -> gr.HTML:
    """Places page and text inside a Blocks context; its `submit` tells corrected lines."""
    return gr.HTML(empty(), js_on_load=SCRIPT)


def empty(told: str = "") -> str:
    """Nothing read yet, or `told` why there is nothing."""
    return region(f"<p>{html.escape(told)}</p>" if told else NO_TEXT)


def show(transcript: PageTranscript, picture: Path, told: str = "") -> str:
    """Page and text as HTML; of a page without lines, `told` why."""
    if not transcript.lines:
        return f'<div class="sheet">{paper(transcript, picture)}{empty(told)}</div>'
    lines = "".join(_line(number, line) for number, line in enumerate(transcript.lines))
    return f'{_TOOLS}<div class="sheet">{paper(transcript, picture)}{region(lines)}</div>'


def region(inside: str) -> str:
    """The frame of the text: reached by the tabulator key, and read aloud by a screen reader when it changes."""
    return f'<div class="transcript" role="region" aria-label="Text" aria-live="polite" tabindex="0">{inside}</div>'


def paper(transcript: PageTranscript, picture: Path) -> str:
    """The picture with the outline of every line over it, and unsure words veiled, as SVG in pixels of the page."""
    address = html.escape("gradio_api/file=" + urllib.parse.quote(str(picture)))
    size = f'width="{transcript.width}" height="{transcript.height}"'
    drawn = [
        f'<svg viewBox="0 0 {transcript.width} {transcript.height}" role="img" '
        f'aria-label="The page with an outline around each of {len(transcript.lines)} lines">',
        f'<image href="{address}" {size}/>',
    ]
    for number, line in enumerate(transcript.lines):
        for word in line.words:
            if word.confidence < UNSURE:
                left, top, right, bottom = word.box
                drawn.append(
                    f'<rect class="veil" x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"/>'
                )
        points = " ".join(f"{x:g},{y:g}" for x, y in outline(line))
        drawn.append(
            f'<polygon data-line="{number}" points="{points}"><title>{html.escape(line.text)}</title></polygon>'
        )
    return f'<div class="paper">{"".join(drawn)}</svg></div>'


def outline(line: WrittenLine) -> Sequence[tuple[int, int]]:
    """The polygon of a line; of one that has none, the corners of its box."""
    left, top, right, bottom = line.box
    return line.polygon or ((left, top), (right, top), (right, bottom), (left, bottom))


def corrected(transcript: PageTranscript, texts: object) -> PageTranscript:
    """A page whose lines were corrected. Refuses what is not one text for each line: a browser sent it."""
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError("the corrections did not arrive as texts; load the page again")
    if len(texts) != len(transcript.lines):
        raise InputError(f"{len(texts)} lines came back of {len(transcript.lines)}; load the page again")
    lines = []
    for line, text in zip(transcript.lines, texts, strict=True):
        words = correction.written(line, text)
        if words:
            lines.append(replace(line, words=words, text=" ".join(word.text for word in words)))
    return replace(transcript, lines=tuple(lines), text="\n".join(line.text for line in lines))


def _line(number: int, line: WrittenLine) -> str:
    words = " ".join(map(_word, line.words))
    return f'<p class="line" data-line="{number}" tabindex="{-1 if number else 0}">{words}</p>'


def _word(word: WrittenWord) -> str:
    text = html.escape(word.text)
    if word.confidence >= UNSURE:
        return text
    return f'<span class="unsure" title="{percent(word.confidence)} sure">{text}</span>'
