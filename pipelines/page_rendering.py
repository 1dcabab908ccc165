"""What a document says -> files in the formats of handwriting: text, JSON, PAGE, ALTO, hOCR, PDF, DOCX, lines to train on."""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipelines import searchable
from pipelines.document import as_page, pages_of, revised
from pipelines.transcript import DocumentTranscript, Written
from recog import __version__, spelling
from recog.corpora import crop, media
from recog.corpora.lines import TEXT
from recog.errors import ConfigError, InputError
from recog.formats import alto, docx, hocr, page_xml
from recog.formats.document import Page
from recog.scan import Limits, Scan

CREATOR = f"recog {__version__}"
# What a page of writing can become, and what the names of the files end with.
SUFFIXES = {
    "txt": ".txt",
    "json": ".json",
    "page": ".page.xml",
    "alto": ".alto.xml",
    "hocr": ".hocr",
    "pdf": ".pdf",
    "docx": ".docx",
    "gt": "",
}
# One page a file: a document of several becomes a folder of them, each with the picture of its page.
ONE_PAGE = ("page", "alto")


@dataclass(frozen=True)
class PageOptions:
    """How the text of pages is written."""

    # One of recog.spelling.SPELLINGS.
    spelling: str = spelling.DIPLOMATIC
    # Words below this confidence, 0 to 1, are followed by [unclear]; None: none are.
    unclear: float | None = None
    # Words below this confidence are highlighted in docx; None: none are.
    doubtful: float | None = None

    def __post_init__(self) -> None:
        if self.spelling not in spelling.SPELLINGS:
            raise ConfigError(f"spelling is {self.spelling!r}; choose one of {', '.join(spelling.SPELLINGS)}")
        if self.unclear is not None and not 0 <= self.unclear <= 1:
            raise ConfigError(f"words are unclear below a confidence from 0 to 1, not {self.unclear:g}")


@dataclass(frozen=True)
class Original:
    """The file that was read: its name, and its bytes if it does not lie under that name."""

    path: Path
    content: bytes | None = None
    limits: Limits | None = None

    def open(self) -> Scan:
        """Its pages."""
        return Scan(self.path if self.content is None else self.content, self.limits)


@dataclass(frozen=True)
class Piece:
    """A file of a folder."""

    name: str
    content: bytes


def is_folder(original: Original, form: str) -> bool:
    """Whether a format makes a folder of an original; what cannot be opened counts as one page."""
    if form not in ONE_PAGE:
        return form == "gt"
    try:
        with original.open() as scan:
            return len(scan) > 1 or scan.pdf is not None
    except InputError:
        return False


def ending(document: Written, form: str) -> str:
    """What the name of the file that `render` gives ends with."""
    return ".zip" if _makes_folder(document, form) else SUFFIXES[form]


def render(document: Written, original: Original, form: str, options: PageOptions | None = None) -> bytes:
    """The content of the file for a document in one of SUFFIXES; what makes a folder, as a ZIP of it.

    PDF, lines to train on and the folders need the original's pages.
    """
    if form not in SUFFIXES:
        raise InputError(f"{original.path} is a document, which format {form} cannot hold; use {', '.join(SUFFIXES)}")
    file = io.BytesIO()
    if _makes_folder(document, form):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for piece in pieces(document, original, form, options):
                packed.writestr(piece.name, piece.content)
    else:
        _pour(file, document, original, form, options)
    return file.getvalue()


def write(
    document: Written,
    original: Original,
    form: str,
    target: Path,
    options: PageOptions | None = None,
) -> None:
    """Writes the file, or the folder, whole or not at all; what else lies in a folder stays. Refuses where it cannot."""
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _makes_folder(document, form):
            with partial.open("wb") as file:
                _pour(file, document, original, form, options)
            partial.replace(target)
            return
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was stopped
        partial.mkdir()
        for piece in pieces(document, original, form, options):
            (partial / piece.name).write_bytes(piece.content)
        target.mkdir(exist_ok=True)
        for path in sorted(partial.iterdir()):
            path.replace(target / path.name)
        partial.rmdir()
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from error


def pieces(document: Written, original: Original, form: str, options: PageOptions | None = None) -> Iterator[Piece]:
    """The files of the folder for a document: of "page" and "alto" 0001.xml with the picture 0001.jpg for each page, of
    "gt" 0001-001.png with 0001-001.gt.txt for each line.
    """
    document = _revised(document, options)
    with original.open() as scan:
        for page in pages_of(document):
            if page.transcript is None:
                continue
            name = f"{page.number:04d}"
            described = as_page(page.transcript, f"{name}.jpg")
            if form == "gt":
                yield from _lines(scan, page.number, described)
                continue
            picture = io.BytesIO()
            scan.read(page.number - 1, colours=True).save(picture, "jpeg", quality=90)
            yield Piece(f"{name}.jpg", picture.getvalue())
            yield Piece(f"{name}.xml", _xml(described, form, page.number))


def _makes_folder(document: Written, form: str) -> bool:
    return form == "gt" or (form in ONE_PAGE and isinstance(document, DocumentTranscript))


def _revised(document: Written, options: PageOptions | None) -> Written:
    return revised(document, options.spelling, options.unclear) if options else document


def _pour(
    stream: BinaryIO,
    document: Written,
    original: Original,
    form: str,
    options: PageOptions | None,
) -> None:
    document = _revised(document, options)
    path = original.path
    pages = [as_page(page.transcript, path.name) for page in pages_of(document)]
    if form == "pdf":
        with original.open() as scan:
            searchable.write(stream, scan, pages, path.stem)
    elif form == "json":
        told = {"file": str(path), **document.as_json()}
        stream.write((json.dumps(told, ensure_ascii=False) + "\n").encode())
    elif form == "txt":
        stream.write((document.text + "\n").encode())
    elif form == "hocr":
        stream.write(hocr.dumps(pages, path.stem, CREATOR))
    elif form == "docx":
        stream.write(docx.dumps_pages(path.stem, pages, options.doubtful if options else None))
    else:
        stream.write(_xml(pages[0], form, 1))


def _xml(page: Page, form: str, number: int) -> bytes:
    return page_xml.dumps(page, CREATOR) if form == "page" else alto.dumps(page, CREATOR, number)


def _lines(scan: Scan, number: int, page: Page) -> Iterator[Piece]:
    """The lines of a page as they are cut from PAGE and ALTO files too, so that training sees what it always sees."""
    picture = scan.read(number - 1)
    count = 0
    for region in page.regions:
        for place, line in enumerate(region.lines):
            corners = crop.outline(place, region, (1.0, 1.0), picture.size)
            count += 1
            if corners is None:
                continue  # no higher or wider than a speck
            cut = crop.cut(picture, crop.Cut(corners, crop.direction(place, region, (1.0, 1.0))))
            name = f"{number:04d}-{count:03d}"
            yield Piece(f"{name}.png", media.png(cut))
            yield Piece(f"{name}{TEXT}", f"{line.text}\n".encode())
