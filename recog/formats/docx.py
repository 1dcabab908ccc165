"""Word documents (.docx): a paragraph for each part of a talk, or for each line of a page; doubtful words marked.

Written by python-docx, which is asked for only here.
"""

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recog.errors import ConfigError
from recog.formats.document import Page
from recog.formats.srt import clock
from recog.formats.timed import Timed


@dataclass(frozen=True)
class Paragraph:
    """Words that belong together, and who says them, where it is known."""

    words: tuple[Timed, ...]
    speaker: str = ""


def paragraphs(words: Sequence[Timed], speaker: str = "", pause_seconds: float = 2.0) -> list[Paragraph]:
    """Words in order -> paragraphs that end where nobody speaks for so long."""
    found: list[list[Timed]] = []
    for word in words:
        if not found or word.start - found[-1][-1].end >= pause_seconds:
            found.append([])
        found[-1].append(word)
    return [Paragraph(tuple(group), speaker) for group in found]


def require() -> None:
    """Refuses where python-docx is missing."""
    if importlib.util.find_spec("docx") is None:
        raise ConfigError("format docx needs python-docx; pip install 'recog[docx]' or python-docx")


def dumps(title: str, parts: Sequence[Paragraph], doubtful: float | None = None) -> bytes:
    """Paragraphs -> the bytes of a file: each with the time of its first word, and its speaker in bold.

    Words with a confidence below `doubtful` (0 to 1; None: no words) are highlighted. Refuses where python-docx is missing.
    """
    require()
    import docx

    document = docx.Document()
    document.add_heading(_printable(title), level=1)
    for part in parts:
        paragraph = document.add_paragraph()
        paragraph.add_run(f"[{clock(part.words[0].start)[:8]}] " if part.words else "").italic = True
        if part.speaker:
            paragraph.add_run(f"{_printable(part.speaker)}: ").bold = True
        for number, word in enumerate(part.words):
            if number:
                paragraph.add_run(" ")
            _add_word(paragraph, word.text, word.confidence, doubtful)
    return _saved(document)


def dumps_pages(title: str, pages: Sequence[Page], doubtful: float | None = None) -> bytes:
    """Pages of writing -> the bytes of a file: a paragraph a line; of several pages each begins anew, with its number.

    Doubtful words as in `dumps`. Refuses where python-docx is missing.
    """
    require()
    import docx
    from docx.shared import Pt

    document: Any = docx.Document()
    document.add_heading(_printable(title), level=1)
    for number, page in enumerate(pages, 1):
        if len(pages) > 1:
            if number > 1:
                document.add_page_break()
            document.add_heading(f"Page {number}", level=2)
        for line in page.lines:
            paragraph = document.add_paragraph()
            paragraph.paragraph_format.space_after = Pt(0)
            for place, word in enumerate(line.words):
                if place:
                    paragraph.add_run(" ")
                _add_word(paragraph, word.text, word.confidence, doubtful)
            if not line.words:
                paragraph.add_run(_printable(line.text))
    return _saved(document)


def _add_word(paragraph: Any, text: str, confidence: float | None, doubtful: float | None) -> None:
    from docx.enum.text import WD_COLOR_INDEX

    run = paragraph.add_run(_printable(text))
    if doubtful is not None and confidence is not None and confidence < doubtful:
        run.font.highlight_color = WD_COLOR_INDEX.YELLOW


def _saved(document: Any) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _printable(text: str) -> str:
    """Without control characters, which XML cannot hold."""
    return "".join(character if character.isprintable() else " " for character in text)
