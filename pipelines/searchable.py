"""A document -> a searchable PDF: a PDF with a layer of text over its own pages, pictures as pages of a new one."""

import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from PIL import ExifTags, Image

from recog import __version__
from recog.errors import InputError
from recog.formats import searchable_pdf
from recog.formats.document import Page
from recog.formats.searchable_pdf import Jpeg, Sheet
from recog.scan import Scan

POINTS_PER_INCH = 72.0
# What pictures say of their resolution is believed within these bounds; else the longer side is A4's.
CREDIBLE_DPI = (100.0, 1200.0)
A4_POINTS = 842.0
QUALITY = 85


def write(stream: BinaryIO, scan: Scan, pages: Sequence[Page], title: str) -> None:
    """Writes the pages of a scan with their text, one at a time; of a page that cannot be shown an empty sheet."""
    if scan.pdf is None:
        searchable_pdf.write(stream, _pictured(scan, pages), title, f"recog {__version__}")
        return
    sheets = [Sheet(page, size.width, size.height) for page, size in zip(pages, scan.pdf.sizes(), strict=True)]
    layer = io.BytesIO()
    searchable_pdf.write(layer, sheets, title, f"recog {__version__}")
    stream.write(scan.pdf.stamped(layer.getvalue()))


def _pictured(scan: Scan, pages: Sequence[Page]) -> Iterator[Sheet]:
    for number, page in enumerate(pages):
        try:
            picture = scan.read(number, colours=True)
        except InputError:  # it has been told when the page was to be read
            yield Sheet(page, A4_POINTS, A4_POINTS)
            continue
        points = _points_per_pixel(picture)
        width, height = picture.width * points, picture.height * points
        yield Sheet(page, width, height, _kept_jpeg(scan, picture) or _jpeg(picture))


def _points_per_pixel(picture: Image.Image) -> float:
    told = picture.info.get("dpi", (0, 0))
    dpi = float(told[0]) if isinstance(told, tuple) and told else 0.0
    if CREDIBLE_DPI[0] <= dpi <= CREDIBLE_DPI[1]:
        return POINTS_PER_INCH / dpi
    return A4_POINTS / max(picture.size)


def _jpeg(picture: Image.Image) -> Jpeg:
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=QUALITY, optimize=True)
    return Jpeg(file.getvalue(), picture.width, picture.height, picture.mode == "L")


def _kept_jpeg(scan: Scan, picture: Image.Image) -> Jpeg | None:
    """The file itself, without loss, where it is a JPEG that stands upright in colours that PDF shows as they are."""
    if len(scan) > 1:
        return None
    content = scan.content()
    if not content.startswith(b"\xff\xd8"):
        return None
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as opened:
        turned = opened.getexif().get(ExifTags.Base.Orientation, 1) != 1
        plain = opened.format == "JPEG" and opened.mode in ("L", "RGB") and opened.size == picture.size
        return None if turned or not plain else Jpeg(content, *opened.size, opened.mode == "L")
