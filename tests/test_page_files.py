"""Documents as files: what schemas ask for, and that reading our own files back gives the same lines in the same places."""

import ctypes
import importlib.util
import io
import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from lxml import etree
from PIL import Image

from pipelines.document import as_page
from pipelines.page_rendering import SUFFIXES, Original, PageOptions, ending, is_folder, render, write
from pipelines.rendering import Rendering
from pipelines.rendering import render as render_any
from pipelines.transcript import (
    DocumentPage,
    DocumentTranscript,
    PageTranscript,
    SpeechTranscript,
    WrittenLine,
    WrittenWord,
)
from recog.corpora import crop, lines, pages
from recog.errors import ConfigError, InputError
from recog.formats import alto, page_xml
from recog.formats.document import box_of
from recog.scan import Scan

WIDTH, HEIGHT = 640, 800
TEXTS = ("M^r Mühlbauer & <fils>", "ſaid nothing 😀 habi¬", "the\x01 end ꝑ é\u0303")
SCHEMAS = Path(__file__).parent / "cases" / "schemas"
READERS = {"page": page_xml.read, "alto": alto.read}


def page_of(texts: tuple[str, ...] = TEXTS, degrees: float = 0.0) -> PageTranscript:
    """Lines 60 pixels apart from the top, letters 20 pixels wide, the whole turned clockwise about the middle."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def place(x: float, y: float) -> tuple[int, int]:
        x, y = x - WIDTH / 2, y - HEIGHT / 2
        return round(WIDTH / 2 + x * cos - y * sin), round(HEIGHT / 2 + x * sin + y * cos)

    def box(left: float, base: float, right: float) -> tuple[int, int, int, int]:
        turned = [place(x, y) for x in (left, right) for y in (base - 30, base + 10)]
        across, down = zip(*turned, strict=True)
        return min(across), min(down), max(across), max(down)

    found = []
    for number, text in enumerate(texts):
        base, x, words = 200.0 + 60 * number, 120.0, []
        for count, word in enumerate(text.split()):
            words.append(WrittenWord(word, box(x, base, x + 20 * len(word)), 0.25 * (count % 5)))
            x += 20 * len(word) + 14
        outline = tuple(place(u, v) for u, v in ((110, base - 32), (x, base - 30), (x, base + 12), (110, base + 10)))
        found.append(
            WrittenLine(text, box(110, base, x), tuple(words), (place(115, base), place(x, base + 2)), outline)
        )
    return PageTranscript("\n".join(texts), tuple(found), WIDTH, HEIGHT)


def picture() -> Image.Image:
    values = np.random.default_rng(1).integers(180, 250, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return Image.fromarray(values)


def original(folder: Path, n_pages: int = 1, form: str = "jpeg") -> Original:
    """A file of pages with nothing on them that anybody could read."""
    path = folder / f"letter.{form}"
    more = {"save_all": True, "append_images": [picture()] * (n_pages - 1)} if n_pages > 1 else {}
    picture().save(path, form, **more)
    return Original(path)


def book(*texts: tuple[str, ...]) -> DocumentTranscript:
    return DocumentTranscript(tuple(DocumentPage(k, page_of(one)) for k, one in enumerate(texts, 1)))


def collapsed(text: str) -> str:
    """As XML holds it: control characters replaced."""
    return text.replace("\x01", "\ufffd")


EMPTY = PageTranscript("", (), WIDTH, HEIGHT)
BOXES_ONLY = PageTranscript(
    "a b", (WrittenLine("a b", (5, 6, 50, 30), (WrittenWord("a", (5, 6, 20, 30), 1.0),)),), WIDTH, HEIGHT
)


@pytest.mark.parametrize("form", ["page", "alto"])
@pytest.mark.parametrize(
    "page", [page_of(), page_of(degrees=7), EMPTY, BOXES_ONLY], ids=["level", "skew", "empty", "boxes"]
)
def test_page_and_alto_are_valid(tmp_path: Path, form: str, page: PageTranscript) -> None:
    schema = etree.RelaxNG(etree.parse(SCHEMAS / {"page": "page-2019-07-15.rng", "alto": "alto-4.rng"}[form]))
    found = etree.fromstring(render(page, original(tmp_path), form))
    assert schema.validate(found), schema.error_log
    ids = found.xpath("//@id | //@ID")
    assert len(ids) == len(set(ids))


def test_the_grammars_refuse_what_the_schemas_refuse(tmp_path: Path) -> None:
    schema = etree.RelaxNG(etree.parse(SCHEMAS / "page-2019-07-15.rng"))
    found = etree.fromstring(render(page_of(), original(tmp_path), "page"))
    coords = found.find(".//{*}TextLine/{*}Coords")
    for wrong in ("-1,2 3,4", "1,2", "1.5,2 3,4"):
        coords.set("points", wrong)
        assert not schema.validate(found)


@pytest.mark.parametrize("form", ["page", "alto"])
def test_our_own_xml_is_read_back(tmp_path: Path, form: str) -> None:
    page = page_of(degrees=3)
    path = tmp_path / "letter.xml"
    path.write_bytes(render(page, original(tmp_path), form))
    found = READERS[form](path)
    assert (found.image, found.width, found.height) == ("letter.jpeg", WIDTH, HEIGHT)
    assert [line.text for line in found.lines] == [collapsed(text) for text in TEXTS]
    assert [tuple((p.x, p.y) for p in line.baseline) for line in found.lines] == [one.baseline for one in page.lines]
    assert [tuple((p.x, p.y) for p in line.polygon) for line in found.lines] == [one.polygon for one in page.lines]
    words = etree.parse(path).findall(".//{*}Word" if form == "page" else ".//{*}String")
    sure = [float(w.find(".//{*}TextEquiv").get("conf") if form == "page" else w.get("WC")) for w in words]
    assert sure == [word.confidence for word in page.words]


@pytest.mark.parametrize("form", ["page", "alto"])
def test_our_own_files_become_training_rows(tmp_path: Path, form: str) -> None:
    source = original(tmp_path)
    write(page_of(), source, form, tmp_path / f"letter{SUFFIXES[form]}")
    read = pages.read_page_xml if form == "page" else pages.read_alto
    found = read(tmp_path, tmp_path / "out")
    assert [sample.row["text"] for sample in found.samples] == [collapsed(text) for text in TEXTS]
    assert not found.left_out


def test_corrected_text_becomes_training_rows(tmp_path: Path) -> None:
    source = original(tmp_path, 2, "pdf")
    document = book(("ein Wort",), ("noch eins", "und meer"))
    write(document, source, "page", tmp_path / "letter")
    assert sorted(path.name for path in (tmp_path / "letter").iterdir()) == [
        *("0001.jpg", "0001.xml", "0002.jpg", "0002.xml")
    ]
    second = tmp_path / "letter" / "0002.xml"
    second.write_text(second.read_text("utf-8").replace("und meer", "und mehr"), "utf-8")
    found = pages.read_page_xml(tmp_path / "letter", tmp_path / "out")
    assert [sample.row["text"] for sample in found.samples] == ["ein Wort", "noch eins", "und mehr"]


def test_lines_to_train_on_are_those_that_the_xml_gives(tmp_path: Path) -> None:
    source = original(tmp_path)
    page = page_of(("eins zwei", "drei"), degrees=4)
    write(page, source, "gt", tmp_path / "gt")
    found = lines.read(tmp_path / "gt", tmp_path / "gt")
    assert [(sample.row["image"], sample.row["text"]) for sample in found.samples] == [
        ("0001-001.png", "eins zwei"),
        ("0001-002.png", "drei"),
    ]
    described = as_page(page, "letter.jpeg")
    corners = crop.outline(1, described.regions[0], (1.0, 1.0), (WIDTH, HEIGHT))
    assert corners is not None
    with source.open() as scan:
        expected = crop.cut(scan.read(0), crop.Cut(corners, crop.direction(1, described.regions[0], (1.0, 1.0))))
    assert Image.open(tmp_path / "gt" / "0001-002.png").tobytes() == expected.tobytes()


def test_hocr_has_lines_words_and_places(tmp_path: Path) -> None:
    document = book(TEXTS, ("zweite Seite",))
    root = etree.fromstring(render(document, original(tmp_path, 2, "tiff"), "hocr"))

    def of_class(element: etree._Element, name: str) -> list[etree._Element]:
        return element.xpath(f".//*[@class='{name}']")

    told = {meta.get("name"): meta.get("content") for meta in root.findall(".//{*}meta")}
    assert set(told["ocr-capabilities"].split()) >= {"ocr_page", "ocr_line", "ocrx_word"}
    assert told["ocr-system"].startswith("recog ")
    sheets = of_class(root, "ocr_page")
    assert [sheet.get("title") for sheet in sheets] == [
        f'image "letter.tiff"; bbox 0 0 {WIDTH} {HEIGHT}; ppageno {number}' for number in (0, 1)
    ]
    found = [[" ".join("".join(line.itertext()).split()) for line in of_class(sheet, "ocr_line")] for sheet in sheets]
    assert found == [[collapsed(text) for text in TEXTS], ["zweite Seite"]]
    page = page_of()
    words = of_class(sheets[0], "ocrx_word")
    assert [word.get("title") for word in words] == [
        f"bbox {' '.join(map(str, word.box))}; x_wconf {100 * word.confidence:.0f}" for word in page.words
    ]
    # The baseline runs from (115, 200) to (x, 202); the box of the outline ends at 212.
    line = of_class(sheets[0], "ocr_line")[0].get("title").split("; ")
    slope, height = map(float, line[1].removeprefix("baseline ").split())
    end = page.lines[0].baseline[1]
    assert slope == pytest.approx(2 / (end[0] - 115), abs=1e-4)
    assert height == pytest.approx(200 - 212 - 5 * slope, abs=1)
    ids = root.xpath("//@id")
    assert len(ids) == len(set(ids))


def texts_of(content: bytes) -> list[list[str]]:
    """The lines of each page as PDFium extracts them."""
    document = pypdfium2.PdfDocument(content)
    found = [document[k].get_textpage().get_text_range().split("\r\n") for k in range(len(document))]
    document.close()
    return [[line for line in page if line] for page in found]


@pytest.mark.parametrize("degrees", [0, 8, -12, 180, 270])
def test_a_searchable_pdf_gives_the_same_lines(tmp_path: Path, degrees: float) -> None:
    texts = tuple(text.replace("\x01", "") for text in TEXTS)
    content = render(page_of(texts, degrees), original(tmp_path), "pdf")
    assert texts_of(content) == [list(texts)]


def test_a_searchable_pdf_shows_the_picture_and_nothing_else(tmp_path: Path) -> None:
    source = original(tmp_path)
    content = render(page_of(), source, "pdf")
    assert source.path.read_bytes() in content, "the JPEG is kept as it is"
    document = pypdfium2.PdfDocument(content)
    assert document[0].get_size() == pytest.approx((842 * WIDTH / HEIGHT, 842), abs=0.1)
    shown = document[0].render(scale=HEIGHT / 842).to_pil().convert("RGB").resize((WIDTH, HEIGHT))
    document.close()
    difference = np.asarray(shown, float) - np.asarray(Image.open(source.path), float)
    assert np.abs(difference).mean() < 1.5  # no letter is drawn: they would be black
    assert np.asarray(shown).min() > 120


def test_pages_of_a_tiff_and_a_failed_one_become_a_pdf(tmp_path: Path) -> None:
    document = DocumentTranscript((DocumentPage(1, None, "page 1 is bad"), DocumentPage(2, page_of(("gut",)))))
    content = render(document, original(tmp_path, 2, "tiff"), "pdf")
    assert texts_of(content) == [[], ["gut"]]


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_words_stand_in_their_places_on_a_turned_and_cropped_pdf_page(tmp_path: Path, turned: int) -> None:
    """PDFium's own way from the page to the screen is the oracle."""
    path = tmp_path / "letter.pdf"
    picture().save(path, "pdf", resolution=72)
    document = pypdfium2.PdfDocument(path)
    document[0].set_cropbox(10, 20, WIDTH - 30, HEIGHT - 40)
    document[0].set_rotation(turned)
    document.save(tmp_path / "turned.pdf")
    document.close()
    with Scan(tmp_path / "turned.pdf") as scan:
        width, height = scan.read(0).size
    word = WrittenWord("Wort", (100, 300, 180, 340), 0.9)
    line = WrittenLine("Wort", (100, 300, 180, 340), (word,), ((100, 330), (180, 330)))
    content = render(
        DocumentTranscript((DocumentPage(1, PageTranscript("Wort", (line,), width, height)),)),
        Original(tmp_path / "turned.pdf"),
        "pdf",
    )
    stamped = pypdfium2.PdfDocument(content)
    page = stamped[0]
    text = page.get_textpage()
    assert (text.get_text_range(), page.get_rotation()) == ("Wort", turned)
    for number in range(4):
        left, bottom, right, top = text.get_charbox(number)
        x, y = ctypes.c_int(), ctypes.c_int()
        middle = ((left + right) / 2, (bottom + top) / 2)
        pypdfium2.raw.FPDF_PageToDevice(page, 0, 0, width, height, 0, *middle, x, y)
        assert (x.value, y.value) == pytest.approx((110 + 20 * number, 318), abs=4)
    stamped.close()


def test_docx_has_a_paragraph_a_line(tmp_path: Path) -> None:
    if importlib.util.find_spec("docx") is None:
        with pytest.raises(ConfigError, match=r"pip install 'recog\[docx\]'"):
            render(book(("eins",)), original(tmp_path), "docx")
        return
    import docx

    content = render(
        book(("eins zwei", "drei"), ("vier",)), original(tmp_path, 2, "tiff"), "docx", PageOptions(doubtful=0.2)
    )
    paragraphs = docx.Document(io.BytesIO(content)).paragraphs
    told = [paragraph.text.strip("\n") for paragraph in paragraphs]
    assert [text for text in told if text] == ["letter", "Page 1", "eins zwei", "drei", "Page 2", "vier"]
    marked = {run.text for paragraph in paragraphs for run in paragraph.runs if run.font.highlight_color}
    assert marked == {"eins", "drei", "vier"}  # confidence 0; zwei has 0.25


def test_text_and_json_of_several_pages(tmp_path: Path) -> None:
    document = DocumentTranscript((DocumentPage(1, page_of(("a", "b"))), DocumentPage(2, None, "page 2 is bad")))
    source = original(tmp_path, 2, "tiff")
    assert render(document, source, "txt").decode() == "a\nb\n\f\n"
    told = json.loads(render(document, source, "json"))
    assert told["pages"][0]["lines"][1]["text"] == "b"
    assert told["pages"][1] == {"number": 2, "failure": "page 2 is bad"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (PageOptions(), "M^r ſaid habi¬"),
        (PageOptions("normalised"), "Mr said habi-"),
        (PageOptions(unclear=0.3), "M^r [unclear] ſaid [unclear] habi¬"),
        (PageOptions("normalised", 0.25), "Mr [unclear] said habi-"),
    ],
)
def test_spelling_and_unclear_words(tmp_path: Path, options: PageOptions, text: str) -> None:
    source = original(tmp_path)
    page = page_of(("M^r ſaid habi¬",))
    assert render(page, source, "txt", options).decode() == f"{text}\n"
    (tmp_path / "x.xml").write_bytes(render(page, source, "alto", options))
    assert [line.text for line in alto.read(tmp_path / "x.xml").lines] == [text]
    assert texts_of(render(page, source, "pdf", options)) == [[text]]


@pytest.mark.parametrize("form", ["txt", "page", "alto", "hocr", "pdf"])
def test_a_line_whose_words_nobody_placed_keeps_its_text(tmp_path: Path, form: str) -> None:
    page = PageTranscript("ſo", (WrittenLine("ſo", (10, 20, 90, 50), ()),), WIDTH, HEIGHT)
    content = render(page, original(tmp_path), form, PageOptions("normalised", 0.5))
    told = texts_of(content)[0][0] if form == "pdf" else content.decode()
    assert "so" in told and "ſo" not in told


def test_a_folder_is_a_zip_where_bytes_are_asked_for(tmp_path: Path) -> None:
    source = original(tmp_path, 2, "tiff")
    document = book(("eins",), ("zwei",))
    upload = Original(Path("letter.tiff"), source.path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(render(document, upload, "alto"))) as packed:
        assert packed.namelist() == ["0001.jpg", "0001.xml", "0002.jpg", "0002.xml"]
        (tmp_path / "x.xml").write_bytes(packed.read("0002.xml"))
        assert Image.open(io.BytesIO(packed.read("0002.jpg"))).size == (WIDTH, HEIGHT)
    assert [line.text for line in alto.read(tmp_path / "x.xml").lines] == ["zwei"]
    assert [ending(document, form) for form in ("alto", "pdf", "gt")] == [".zip", ".pdf", ".zip"]
    assert [is_folder(source, form) for form in SUFFIXES] == [form in ("page", "alto", "gt") for form in SUFFIXES]


def test_a_folder_keeps_what_else_lies_in_it(tmp_path: Path) -> None:
    source = original(tmp_path, 2, "tiff")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.md").write_text("mine")
    for _ in range(2):
        write(book(("eins",), ("zwei",)), source, "gt", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("0001-001.gt.txt", "0001-001.png", "0002-001.gt.txt", "0002-001.png", "notes.md")
    ]
    assert not list(tmp_path.glob("*.partial"))


def test_wrong_wishes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="spelling is 'old'; choose one of diplomatic, normalised"):
        PageOptions("old")
    with pytest.raises(ConfigError, match="confidence from 0 to 1, not 50"):
        PageOptions(unclear=50)
    with pytest.raises(ConfigError, match="have the text as it was read"):
        Rendering("gt", pages=PageOptions("normalised"))
    with pytest.raises(InputError, match="is a document, which format srt cannot hold; use txt, json, page"):
        render_any(page_of(), tmp_path / "a.jpg", Rendering("srt"))
    with pytest.raises(InputError, match="is a recording, which format alto cannot hold; use txt, json, srt"):
        render_any(SpeechTranscript("a", (), 1.0), tmp_path / "a.wav", Rendering("alto"))


def test_boxes_stand_for_what_is_missing() -> None:
    (line,) = as_page(BOXES_ONLY, "x").lines
    assert (box_of(line.polygon).left, box_of(line.polygon).bottom) == (5, 30)
    assert [(point.x, point.y) for point in line.baseline] == [(5, 30), (50, 30)]
