"""A file of pages: a picture, a TIFF of many, a PDF of hundreds; one page in memory at a time."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from PIL import Image, UnidentifiedImageError

from recog import archive, image
from recog.errors import InputError
from recog.pdf import PdfFile

PDF_MAGIC = b"%PDF-"
# PDF readers look so far for the magic; some scanners write a header of their own before it.
PDF_REACH = 1024
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Tag NewSubfileType and its bit for a smaller copy of another page, such as a preview.
SUBFILE, REDUCED = 254, 1


@dataclass(frozen=True)
class Limits:
    """What a file of pages may ask for; checked before a pixel is decoded."""

    pages: int = 3000
    # Of one page, or of one picture on a page.
    megapixels: float = 150.0

    def refuse(self, name: str, n_pages: int) -> None:
        """Refuses a file with more pages."""
        if n_pages > self.pages:
            raise InputError(f"{name} has more than {self.pages} pages, the limit; split it")


class Scan:
    """An open file of pages; as a context it closes itself.

    `read(k)` gives page k, from 0, as grey picture, upright; `read(k, colours=True)` as it is ("RGB", or "L" where it
    has no colours). What is wrong with one page is told when it is read and costs only that page.
    """

    def __init__(self, source: str | Path | bytes, limits: Limits | None = None) -> None:
        """Opens a path or the bytes of a file. Refuses a PDF or TIFF that is damaged, locked, empty or above the limits."""
        self.name = "the uploaded data" if isinstance(source, bytes) else str(source)
        self.limits = limits or Limits()
        self.source = archive.resolve(source)
        start = _start(self.source)
        self._pdf: PdfFile | None = None
        self._tiff: Image.Image | None = None
        # Where in the TIFF each page lies.
        self._frames: tuple[int, ...] = (0,)
        if PDF_MAGIC in start:
            whole = self.source if isinstance(self.source, bytes) else Path(self.source)
            self._pdf = PdfFile(whole, self.name, self.limits.pages)
        elif start[:4] in TIFF_MAGIC:
            self._open_tiff()

    def __len__(self) -> int:
        """How many pages there are; of a damaged picture one, which is refused when it is read."""
        return self._pdf.n_pages if self._pdf else len(self._frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def pdf(self) -> PdfFile | None:
        """The PDF that the pages are of; None where they are pictures of their own."""
        return self._pdf

    def close(self) -> None:
        """Gives the file back."""
        if self._pdf:
            self._pdf.close()
        if self._tiff:
            self._tiff.close()

    def content(self) -> bytes:
        """The file as it is."""
        if isinstance(self.source, bytes):
            return self.source
        with image.refusals(self.name, self.limits.megapixels):
            return Path(self.source).read_bytes()

    def read(self, number: int, colours: bool = False) -> Image.Image:
        """Page `number` of len(self), from 0. Refuses what is damaged or above the limit, naming file and page."""
        megapixels = self.limits.megapixels
        if self._pdf:
            return self._pdf.render(number, megapixels, colours)
        if not colours and len(self) == 1:
            return image.read(self.source if isinstance(self.source, bytes) else Path(self.source), megapixels)
        name = self.name if len(self) == 1 else f"page {number + 1} of {self.name}"
        with image.refusals(name, megapixels):
            if self._tiff:
                self._tiff.seek(self._frames[number])
                return _as_asked(image.upright(self._tiff, name, megapixels), colours)
            with image.opened(self.source, self.name) as picture:
                return _as_asked(image.upright(picture, name, megapixels), colours)

    def _open_tiff(self) -> None:
        """Walks the directories of a TIFF, whose number is told nowhere, and no farther than the limit."""
        with image.refusals(self.name, self.limits.megapixels):
            # A first page beyond all limits is refused here; the headers of the others are read below.
            try:
                self._tiff = image.opened(self.source, self.name)
            except UnidentifiedImageError as error:
                raise InputError(
                    f"{self.name} is a TIFF without a page that can be opened, empty or cut off"
                ) from error
            frames = list[int]()
            for number in range(2 * self.limits.pages + 2):  # every page may have a preview
                try:
                    self._tiff.seek(number)
                except EOFError:
                    break
                if not int(getattr(self._tiff, "tag_v2", {}).get(SUBFILE, 0)) & REDUCED:
                    frames.append(number)
            self._frames = tuple(frames) or (0,)
        self.limits.refuse(self.name, len(self._frames))


def _as_asked(picture: Image.Image, colours: bool) -> Image.Image:
    plain = picture.mode in ("1", "L", "LA", "I", "F") or picture.mode.startswith("I;")
    if not colours or plain:
        return image.grey(picture)
    if picture.mode in ("RGBA", "PA", "RGBa") or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return image.grey(picture) if picture.mode == "LAB" else picture.convert("RGB")


def _start(source: str | Path | bytes) -> bytes:
    """The first bytes; none of a file that cannot be read, which `image.read` refuses in its own words."""
    if isinstance(source, bytes):
        return source[:PDF_REACH]
    try:
        with Path(source).open("rb") as file:
            return file.read(PDF_REACH)
    except OSError:
        return b""
