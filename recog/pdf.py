"""PDF files page by page (PDFium, through pypdfium2): sizes are checked first, then one page is rendered at a time."""

import io
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from recog.errors import InputError

# PDFium keeps state of its own: two threads of one process must never be in it together.
LOCK = threading.RLock()
# What has no scan to tell how fine it is (typeset text, drawings) is rendered so fine.
RENDER_DPI = 300.0
# Coarser than this, a scan is taken for a picture among others on the page.
LEAST_DPI = 60.0
# A page of more pixels is rendered coarser: no handwriting needs them, and memory is bounded.
RENDER_MEGAPIXELS = 24.0
# Of the page's area, what a picture must fill to be a scan of the page.
SCAN_SHARE = 0.6
POINTS_PER_INCH = 72.0


@dataclass(frozen=True)
class PdfSize:
    """A page as it is shown, turned as the file says, in points of 1/72 inch."""

    width: float
    height: float


class PdfFile:
    """An open PDF. Pages count from 0. Close it after use.

    Refuses, each in a sentence, what is damaged, locked by a password, without pages or above `limit_pages`.
    """

    def __init__(self, source: Path | bytes, name: str, limit_pages: int) -> None:
        import pypdfium2

        self.name = name
        with LOCK:
            try:
                self._document = pypdfium2.PdfDocument(source)
            except pypdfium2.PdfiumError as error:
                raise InputError(_refusal(name, error)) from error
            self.n_pages = len(self._document)
            if self.n_pages > limit_pages:
                self.close()
                raise InputError(f"{name} is a PDF of {self.n_pages} pages; the limit is {limit_pages}; split it")

    def close(self) -> None:
        """Gives the file back."""
        with LOCK:
            self._document.close()

    def render(self, number: int, limit_megapixels: float, colours: bool = False) -> Image.Image:
        """Page `number` as it is shown, grey ("L") or in colours ("RGB"), as fine as its scan is, at most RENDER_DPI.

        Refuses a page without an area, one that holds a picture above the limit (before it is decoded), and one that
        PDFium cannot render.
        """
        with self._page(number) as page:
            size = self._size(page, number)
            dpi = min(RENDER_DPI, self._scan_dpi(page, size, number, limit_megapixels) or RENDER_DPI)
            most = math.sqrt(RENDER_MEGAPIXELS * 1e6 / (size.width * size.height))
            # A hair less: a scan's own size, reckoned in points, is often a hair above its pixels. Rounded up to one
            # more, every pixel of it would be smeared over two.
            scale = min(dpi / POINTS_PER_INCH, most) * (1 - 1e-6)
            bitmap = page.render(scale=scale, grayscale=not colours)
            picture: Image.Image = bitmap.to_pil()
            # A copy of our own: the bitmap's memory goes with the page.
            return picture.convert("RGB" if colours else "L").copy()

    def sizes(self) -> list[PdfSize]:
        """The size of each page. Refuses as `render` does."""
        found = []
        for number in range(self.n_pages):
            with self._page(number) as page:
                found.append(self._size(page, number))
        return found

    def stamped(self, layer: bytes) -> bytes:
        """The file with each page of another PDF, as large as the page is shown, laid over it; nothing else changes."""
        import pypdfium2

        with LOCK:
            over = pypdfium2.PdfDocument(layer)
            try:
                for number in range(self.n_pages):
                    with self._page(number) as page:
                        drawn = over.page_as_xobject(number, self._document).as_pageobject()
                        drawn.set_matrix(pypdfium2.PdfMatrix(*_upright_to_page(page)))
                        page.insert_obj(drawn)
                        page.gen_content()
                file = io.BytesIO()
                self._document.save(file)
            finally:
                over.close()
        return file.getvalue()

    @contextmanager
    def _page(self, number: int) -> Iterator[Any]:
        """A page of PDFium's, held only inside, so that memory does not grow with the pages that were read."""
        import pypdfium2

        with LOCK:
            try:
                page = self._document[number]
                try:
                    yield page
                finally:
                    page.close()
            except (pypdfium2.PdfiumError, ValueError) as error:
                raise InputError(
                    f"page {number + 1} of {self.name} is damaged and cannot be shown ({error})"
                ) from error

    def _size(self, page: Any, number: int) -> PdfSize:
        size = PdfSize(*page.get_size())
        if not (0 < size.width < 1e6 and 0 < size.height < 1e6):
            raise InputError(
                f"page {number + 1} of {self.name} is {size.width:g} x {size.height:g} points; it has no area"
            )
        return size

    def _scan_dpi(self, page: Any, size: PdfSize, number: int, limit_megapixels: float) -> float:
        """Pixels to an inch of the picture that fills the page; 0 where none does. Refuses too large pictures."""
        import pypdfium2
        from pypdfium2 import raw

        finest = 0.0
        for picture in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE]):
            try:
                width, height = picture.get_px_size()
                left, bottom, right, top = picture.get_bounds()
            except pypdfium2.PdfiumError:
                continue  # a picture without a size is not drawn either
            if width * height > limit_megapixels * 1e6:
                raise InputError(
                    f"page {number + 1} of {self.name} holds a picture of {width} x {height} pixels; "
                    f"make it smaller than {limit_megapixels:g} megapixels, the limit"
                )
            if (right - left) * (top - bottom) >= SCAN_SHARE * size.width * size.height:
                # By areas, so that it does not matter whether the page is turned.
                finest = max(finest, math.sqrt(width * height / ((right - left) * (top - bottom))))
        dpi = finest * POINTS_PER_INCH
        return dpi if dpi >= LEAST_DPI else 0.0


def _upright_to_page(page: Any) -> tuple[float, float, float, float, float, float]:
    """The matrix from a page as it is shown, its lower left corner at 0, to its own coordinates (ISO 32000-1, 8.3.4).

    /Rotate turns the page clockwise before it is shown (7.7.3.3).
    """
    left, bottom, right, top = page.get_cropbox()
    return {
        0: (1.0, 0.0, 0.0, 1.0, left, bottom),
        90: (0.0, 1.0, -1.0, 0.0, right, bottom),
        180: (-1.0, 0.0, 0.0, -1.0, right, top),
        270: (0.0, -1.0, 1.0, 0.0, left, top),
    }[page.get_rotation()]


def _refusal(name: str, error: Any) -> str:
    from pypdfium2 import raw

    if error.err_code == raw.FPDF_ERR_PASSWORD:
        return f"{name} is a PDF locked by a password; save it without one and try again"
    if error.err_code == raw.FPDF_ERR_SECURITY:
        return f"{name} is a PDF with a protection that cannot be opened here; save it without one and try again"
    return f"{name} is a PDF that is damaged or holds no pages; make or fetch it again"
