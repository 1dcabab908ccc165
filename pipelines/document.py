"""A file of pages -> what each of them says; a page that cannot be read costs only itself."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.handwriting import HandwritingPipeline
from pipelines.transcript import DocumentPage, DocumentTranscript, PageTranscript, Written, WrittenLine
from recog import spelling
from recog.errors import InputError
from recog.formats.document import Box, Page, Point, Region, TextLine, Word, box_of
from recog.scan import Limits, Scan

# What is written behind a word that may be wrong.
UNCLEAR = "[unclear]"


def read_document(
    pipeline: HandwritingPipeline,
    source: str | Path | bytes,
    limits: Limits | None = None,
    finished: Sequence[DocumentPage] = (),
    tell: Callable[[DocumentPage, int], None] | None = None,
) -> Written:
    """A picture, TIFF or PDF (path or bytes) -> what it says: of a picture the page alone, of others all pages.

    Pages in `finished`, by an earlier run, are not read again. `tell` hears of every page as soon as it is read, and how
    many there are. Refuses a file that cannot be opened, and a picture that cannot be read; of several pages those that
    cannot be read have a failure.
    """
    done = {page.number: page for page in finished}
    with Scan(source, limits) as scan:
        if len(scan) == 1 and scan.pdf is None:
            return pipeline(scan.read(0))
        pages = []
        for number in range(1, len(scan) + 1):
            page = done.get(number) or _read_page(pipeline, scan, number)
            pages.append(page)
            if tell:
                tell(page, len(scan))
    return DocumentTranscript(tuple(pages))


def _read_page(pipeline: HandwritingPipeline, scan: Scan, number: int) -> DocumentPage:
    try:
        return DocumentPage(number, pipeline(scan.read(number - 1)))
    except InputError as error:
        told = str(error)
        return DocumentPage(number, None, told if told.startswith(f"page {number} ") else f"page {number}: {told}")


def pages_of(transcript: Written) -> tuple[DocumentPage, ...]:
    """The pages of either; a picture is a document of one page."""
    return transcript.pages if isinstance(transcript, DocumentTranscript) else (DocumentPage(1, transcript),)


def revised(transcript: Written, spelt: str = spelling.DIPLOMATIC, unclear: float | None = None) -> Written:
    """The transcript in a spelling (recog.spelling.SPELLINGS), with UNCLEAR behind words of less confidence."""
    if isinstance(transcript, PageTranscript):
        return _revised_page(transcript, spelt, unclear)
    pages = (
        replace(page, transcript=_revised_page(page.transcript, spelt, unclear)) if page.transcript else page
        for page in transcript.pages
    )
    return DocumentTranscript(tuple(pages))


def _revised_page(transcript: PageTranscript, spelt: str, unclear: float | None) -> PageTranscript:
    if spelt == spelling.DIPLOMATIC and unclear is None:
        return transcript
    lines = tuple(line for line in (_revised_line(line, spelt, unclear) for line in transcript.lines) if line.text)
    return replace(transcript, text="\n".join(line.text for line in lines), lines=lines)


def _revised_line(line: WrittenLine, spelt: str, unclear: float | None) -> WrittenLine:
    if not line.words:  # a line whose words nobody placed
        return replace(line, text=spelling.normalised(line.text) if spelt == spelling.NORMALISED else line.text)
    texts = [word.text for word in line.words]
    if spelt == spelling.NORMALISED:
        texts = spelling.normalised_words(texts)
    words = tuple(
        replace(word, text=f"{text} {UNCLEAR}" if unclear is not None and word.confidence < unclear else text)
        for text, word in zip(texts, line.words, strict=True)
        if text
    )
    return replace(line, text=" ".join(word.text for word in words), words=words)


def as_page(transcript: PageTranscript | None, name: str, size: tuple[int, int] = (1, 1)) -> Page:
    """A transcript as the page that the formats write, called `name`; without one an empty page of a size in pixels.

    All lines stand in one region. A line without an outline has its box, one without a baseline the lower side of it.
    """
    if transcript is None:
        return Page(name, *size, ())
    lines = tuple(_lines(transcript.lines))
    corners = [point for line in lines for point in line.polygon]
    regions = (Region("r1", box_of(corners).corners, lines),) if lines else ()
    return Page(name, transcript.width, transcript.height, regions)


def _lines(lines: Sequence[WrittenLine]) -> Iterator[TextLine]:
    for number, line in enumerate(lines, 1):
        box = Box(*line.box)
        _, _, right, left = box.corners
        yield TextLine(
            f"r1-l{number}",
            tuple(Point(*place) for place in line.polygon) if len(line.polygon) >= 3 else box.corners,
            tuple(Point(*place) for place in line.baseline) if len(line.baseline) >= 2 else (left, right),
            line.text,
            tuple(Word(word.text, Box(*word.box).corners, word.confidence) for word in line.words),
        )
