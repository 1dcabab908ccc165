"""Pages of writing that were uploaded: opened once, so that what cannot be read is told, and shown with their texts."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from pipelines.transcript import DocumentPage, DocumentTranscript, PageTranscript, Written
from pipelines.web import sheet
from pipelines.web.limits import Limits, sentence
from pipelines.web.result import cache
from recog import scan
from recog.errors import RecogError
from recog.scan import Scan

# Of one file.
MOST_PAGES = 100


@dataclass(frozen=True)
class Sheet:
    """A page on the screen."""

    # As it was uploaded; which page of it, from 1, and of how many.
    path: Path
    number: int
    of: int
    # What browsers show of it, in the same pixels; None where it cannot be opened.
    picture: Path | None
    transcript: PageTranscript | None = None
    # Why it cannot be opened or read, in one sentence; "" where all is well.
    failure: str = ""

    @property
    def name(self) -> str:
        """What the user calls it."""
        return f"{self.path.name}, page {self.number}" if self.of > 1 else self.path.name


def take(path: Path, limits: Limits, tell: Callable[[float, float | None], None]) -> list[Sheet]:
    """A file -> its pages on the screen, also those that cannot be opened: each costs only itself.

    `tell` is told of pages opened, and of how many there are. Refuses, in a sentence, a file none of whose pages can be
    opened, and one beyond the limits.
    """
    tell(0, None)
    folder = Path(tempfile.mkdtemp(dir=cache()))
    found, refused = list[Sheet](), list[RecogError]()
    with Scan(path, scan.Limits(MOST_PAGES, limits.megapixels)) as pages:
        for number in range(len(pages)):
            picture = folder / f"{path.stem}-{number + 1}.png"
            one = Sheet(path, number + 1, len(pages), picture)
            try:
                pages.read(number).save(picture, compress_level=1)
            except RecogError as error:
                refused.append(error)
                one = replace(one, picture=None, failure=sentence(error, path))
            found.append(one)
            tell(number + 1, len(pages))
    if len(refused) == len(found):
        raise refused[0]
    return found


def first(kept: Sequence[Sheet], good: Callable[[Sheet], bool]) -> int:
    """The place of the first good page; 0 where none is."""
    return next((number for number, one in enumerate(kept) if good(one)), 0)


def drawn(one: Sheet) -> str:
    """A page as HTML: its picture with what was read, or the sentence that says why there is none."""
    if one.picture is None:
        return sheet.empty(one.failure)
    if one.transcript is not None:
        return sheet.show(one.transcript, one.picture)
    with Image.open(one.picture) as opened:
        return sheet.show(PageTranscript("", (), *opened.size), one.picture, one.failure)


def of_file(kept: Sequence[Sheet], path: Path) -> Written | None:
    """What is known of a file: its one page, or the document of all that were read or failed; None where none was read."""
    own = [one for one in kept if one.path == path and (one.transcript is not None or one.failure)]
    if not any(one.transcript for one in own):
        return None
    if own[0].of == 1 and path.suffix.lower() != ".pdf":
        return own[0].transcript
    return DocumentTranscript(tuple(DocumentPage(one.number, one.transcript, one.failure) for one in own))


def documents(kept: Sequence[Sheet]) -> list[tuple[Written, Path]]:
    """What is known of every file, for those of which something was read."""
    paths = dict.fromkeys(one.path for one in kept)
    return [(document, path) for path in paths if (document := of_file(kept, path)) is not None]


def summarise(kept: Sequence[Sheet], seconds: float) -> str:
    """One line below the text."""
    read = [one.transcript for one in kept if one.transcript is not None]
    words, lines = sum(len(one.words) for one in read), sum(len(one.lines) for one in read)
    failed = [one.name for one in kept if one.failure]
    without = f" **Could not be read: {', '.join(failed[:3])}{' and more' if len(failed) > 3 else ''}.**" * bool(failed)
    if not words:
        return f"No writing was found in {'these pictures' if len(read) > 1 else 'this picture'}.{without}"
    pages = f" on {len(read)} pages" if len(read) > 1 else ""
    return (
        f"{words} word{'s' * (words != 1)} in {lines} line{'s' * (lines != 1)}{pages}, read in {seconds:.1f} s. "
        f"Shaded words are unsure.{without}"
    )
