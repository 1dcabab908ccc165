"""What both tabs show of a transcript: the text with its unsure words marked, a line about it, and files to keep."""

import html
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.transcript import SpokenWord, Transcript, WrittenWord

# Words below this confidence are marked as unsure.
UNSURE = 0.5
EMPTY = '<p class="hint">The text will appear here.</p>'
# Selecting and copying by hand works on pages without https too, where the clipboard interface is closed.
COPY = """() => {
    const text = [...document.querySelectorAll('.transcript')].find(part => part.offsetParent);
    if (text) { getSelection().selectAllChildren(text); document.execCommand('copy'); text.focus(); }
}"""

Word = SpokenWord | WrittenWord


@dataclass(frozen=True)
class ResultPanel:
    """The parts of the page; `draw` places them, `fill` gives their new values in the same order."""

    text: gr.HTML
    summary: gr.Markdown
    copy: gr.Button
    as_text: gr.DownloadButton
    as_json: gr.DownloadButton

    @classmethod
    def draw(cls) -> "ResultPanel":
        """Places the parts inside a Blocks context."""
        text = gr.HTML(region(EMPTY), padding=False)
        summary = gr.Markdown(elem_classes="hint")
        with gr.Row():
            copy = gr.Button("Copy text", size="sm", min_width=90, interactive=False)
            as_text = gr.DownloadButton("Save text", size="sm", min_width=90, interactive=False)
            as_json = gr.DownloadButton("Save JSON", size="sm", min_width=90, interactive=False)
        copy.click(None, js=COPY)
        return cls(text, summary, copy, as_text, as_json)

    @property
    def parts(self) -> list[Any]:
        """What an event lists as its outputs."""
        return [self.text, self.summary, self.copy, self.as_text, self.as_json]

    def clear(self) -> list[Any]:
        """Values of the parts without a transcript, so that an old one never stands beside a new recording."""
        off = [gr.Button(interactive=False), *(gr.DownloadButton(value=None, interactive=False) for _ in range(2))]
        return [region(EMPTY), "", *off]

    def fill(self, transcript: Transcript, lines: Sequence[Sequence[Word]], summary: str, stem: str) -> list[Any]:
        """New values of the parts; the files are called after what was uploaded."""
        files = Path(tempfile.mkdtemp(dir=cache()))
        text, data = files / f"{stem}.txt", files / f"{stem}.json"
        text.write_text(transcript.text + "\n", encoding="utf-8")
        data.write_text(json.dumps(transcript.as_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return [
            region("".join(f"<p>{' '.join(map(marked, line))}</p>" for line in lines)),
            summary,
            gr.Button(interactive=True),
            gr.DownloadButton(value=str(text), interactive=True),
            gr.DownloadButton(value=str(data), interactive=True),
        ]


def region(inside: str) -> str:
    """The frame of the text: reached by the tabulator key, and read aloud by a screen reader when it changes."""
    return f'<div class="transcript" role="region" aria-label="Text" aria-live="polite" tabindex="0">{inside}</div>'


def marked(word: Word) -> str:
    """A word as HTML; an unsure one is marked and tells its confidence where the pointer rests on it."""
    text = html.escape(word.text)
    return text if word.confidence >= UNSURE else f'<mark title="{word.confidence:.0%} sure">{text}</mark>'


def percent(confidence: float) -> str:
    """0.873 -> 87 %."""
    return f"{confidence:.0%}".replace("%", " %")


def cache() -> Path:
    """The folder whose files gradio serves, and deletes when they are old."""
    folder = Path(gr.utils.get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return folder
