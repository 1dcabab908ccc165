"""Word documents (.docx) of what is said: a paragraph for each part of the talk, doubtful words marked.

Written by python-docx, which is asked for only here.
"""

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass

from recog.errors import ConfigError
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
    from docx.enum.text import WD_COLOR_INDEX

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
            run = paragraph.add_run(_printable(word.text))
            if doubtful is not None and word.confidence is not None and word.confidence < doubtful:
                run.font.highlight_color = WD_COLOR_INDEX.YELLOW
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _printable(text: str) -> str:
    """Without control characters, which XML cannot hold."""
    return "".join(character if character.isprintable() else " " for character in text)
