"""Files of pages: which page comes back, how fine, in what memory; and each refusal's sentence."""

import importlib.util
import io
import struct
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageDraw

from recog import image
from recog.errors import InputError
from recog.scan import Limits, Scan


def sheet(number: int, width: int = 60, height: int = 40) -> Image.Image:
    """A page that tells its number: that many black columns of two pixels from the left."""
    page = Image.new("L", (width, height), 255)
    for column in range(number):
        ImageDraw.Draw(page).rectangle((4 * column, 0, 4 * column + 1, height), fill=0)
    return page


def number_of(page: Image.Image) -> int:
    dark = np.asarray(page)[page.height // 2] < 128
    return int((np.diff(np.concatenate([[0], dark.astype(int)])) == 1).sum())


def file_of(pages: list[Image.Image], form: str, **options: object) -> bytes:
    file = io.BytesIO()
    pages[0].save(file, form, save_all=True, append_images=pages[1:], **options)
    return file.getvalue()


@pytest.mark.parametrize("form", ["tiff", "pdf"])
def test_pages_come_in_any_order_from_path_and_bytes(tmp_path: Path, form: str) -> None:
    content = file_of([sheet(k) for k in (1, 2, 3)], form)
    (tmp_path / "pages").write_bytes(content)
    for source in (content, tmp_path / "pages"):
        with Scan(source) as scan:
            assert (len(scan), scan.pdf is not None) == (3, form == "pdf")
            assert [number_of(scan.read(k)) for k in (2, 0, 1)] == [3, 1, 2]
            assert scan.read(1).mode == "L"


def test_a_single_picture_is_what_it_always_was(tmp_path: Path) -> None:
    sheet(5).save(tmp_path / "page.png")
    with Scan(tmp_path / "page.png") as scan:
        assert len(scan) == 1
        assert scan.read(0).tobytes() == image.read(tmp_path / "page.png").tobytes()


def test_colours_are_kept_where_they_are_asked_for() -> None:
    red = Image.new("RGB", (40, 30), (200, 30, 30))
    for form in ("png", "pdf"):
        with Scan(file_of([red], form)) as scan:
            assert scan.read(0).mode == "L"
            colours = np.asarray(scan.read(0, colours=True)).reshape(-1, 3).mean(axis=0)
            assert colours == pytest.approx([200, 30, 30], abs=3)
    with Scan(file_of([sheet(1)], "png")) as scan:
        assert scan.read(0, colours=True).mode == "L"


@pytest.mark.parametrize("height", [31, 40, 57, 101])
def test_a_scan_in_a_pdf_comes_back_pixel_for_pixel(height: int) -> None:
    # 31 pixels at 300 dots an inch are 7.44 points, and these reckon as a hair more than 31 pixels: they came as 32 once.
    page = Image.fromarray(np.random.default_rng(height).integers(0, 2, (height, 55), np.uint8) * 255).convert("1")
    with Scan(file_of([page], "pdf", resolution=300)) as scan:
        assert np.array_equal(np.asarray(scan.read(0)) > 127, np.asarray(page))


@pytest.mark.parametrize(("dpi", "expected"), [(72, 72), (150, 150), (600, 300)])
def test_a_scan_in_a_pdf_is_rendered_as_fine_as_it_is(dpi: int, expected: int) -> None:
    with Scan(file_of([sheet(3, 600, 300)], "pdf", resolution=dpi)) as scan:
        page = scan.read(0)
    assert page.width == pytest.approx(600 * expected / dpi, abs=2)
    assert number_of(page) == 3


def test_a_preview_in_a_tiff_is_no_page() -> None:
    file = io.BytesIO()
    preview = sheet(9, 60, 40)
    preview.encoderinfo = {"tiffinfo": {254: 1}}
    sheet(1).save(file, "tiff", save_all=True, append_images=[preview, sheet(2)])
    with Scan(file.getvalue()) as scan:
        assert [number_of(scan.read(k)) for k in range(len(scan))] == [1, 2]


def test_of_three_hundred_pages_one_is_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(file_of([sheet(k % 12, 48, 20) for k in range(300)], "pdf", resolution=72))
    opened = []
    get_page = pypdfium2.PdfDocument.get_page

    def counted(document: pypdfium2.PdfDocument, number: int) -> pypdfium2.PdfPage:
        assert all(page.raw is None for page in opened), "an earlier page is still held"
        opened.append(get_page(document, number))
        return opened[-1]

    monkeypatch.setattr(pypdfium2.PdfDocument, "get_page", counted)
    with Scan(path) as scan:
        assert [number_of(scan.read(k)) for k in range(len(scan))] == [k % 12 for k in range(300)]
    assert len(opened) == 300


def locked_pdf() -> bytes:
    """A PDF whose user password is not the empty one: its check value /U fits none."""
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
        b"3 0 obj<</Filter/Standard/V 1/R 2/P -4/O<" + b"11" * 32 + b">/U<" + b"22" * 32 + b">>>endobj\n"
        b"trailer<</Size 4/Root 1 0 R/Encrypt 3 0 R/ID[<00><00>]>>\n%%EOF\n"
    )


EMPTY_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"trailer<</Size 3/Root 1 0 R>>\n%%EOF\n"
)


def tiff_of(width: int, height: int) -> bytes:
    """A TIFF whose header claims a size, with a single strip of a few bytes."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 200), (278, 4, height)]
    tags += [(277, 3, 1), (279, 4, 8)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + b"\0" * 200


@pytest.mark.parametrize(
    ("content", "limits", "sentence"),
    [
        (file_of([sheet(1)], "pdf")[:300], Limits(), "is a PDF that is damaged or holds no pages"),
        (locked_pdf(), Limits(), "is a PDF locked by a password; save it without one"),
        (EMPTY_PDF, Limits(), "is a PDF that is damaged or holds no pages"),
        (file_of([sheet(1)] * 3, "pdf"), Limits(pages=2), "is a PDF of 3 pages; the limit is 2"),
        (file_of([sheet(1)] * 3, "tiff"), Limits(pages=2), "has more than 2 pages, the limit"),
        (b"II*\0" + struct.pack("<I", 0), Limits(), "is a TIFF without a page that can be opened"),
        (b"II*\0" + struct.pack("<IHI", 8, 0, 0), Limits(), "is a TIFF without a page that can be opened"),
        (tiff_of(400_000, 400_000), Limits(), "has .*pixels; make it smaller than 150 megapixels, the limit"),
        (tiff_of(20_000, 8_000), Limits(), "has 20000 x 8000 pixels; make it smaller than 150 megapixels, the limit"),
        (
            file_of([sheet(1, 600, 400)], "pdf"),
            Limits(megapixels=0.2),
            "page 1 of .* holds a picture of 600 x 400 pixels",
        ),
        (file_of([sheet(1)], "tiff")[:1000], Limits(), "cannot be"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(content: bytes, limits: Limits, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence), Scan(content, limits) as scan:
        scan.read(0)


def test_a_bad_page_costs_only_itself() -> None:
    content = file_of([sheet(1), sheet(2, 600, 400), sheet(3)], "tiff")
    with Scan(content, Limits(megapixels=0.1)) as scan:
        with pytest.raises(InputError, match=r"page 2 of the uploaded data has 600 x 400 pixels"):
            scan.read(1)
        assert number_of(scan.read(2)) == 3


def test_heic_is_read_with_its_plugin_and_refused_with_the_line_that_installs_it(tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    if importlib.util.find_spec("pillow_heif") is None:
        path.write_bytes(struct.pack(">I", 24) + b"ftypheic" + bytes(12))
        with pytest.raises(InputError, match=r"photo.heic is a HEIC picture.*pip install 'recog\[heic\]'"):
            image.read(path)
        return
    import pillow_heif

    pillow_heif.from_pillow(sheet(7, 120, 80).convert("RGB")).save(path, quality=95)
    with Scan(path) as scan:
        assert (len(scan), number_of(scan.read(0))) == (1, 7)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"cannot be decoded|known kind"):
        image.read(path)
