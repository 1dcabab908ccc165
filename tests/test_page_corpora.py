"""Published handwriting corpora, built small: whole manifests, and the pixels of every line that is cut out."""

import math
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_line
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from sources import write_text
from test_speech_corpora import fingerprint, prepared, rows

from pipelines.preparation import prepare
from recog.corpora import crop
from recog.errors import ManifestError
from recog.formats.document import Point, Region, TextLine

PAPER, INK, OTHER = 200, 20, 90


def picture(path: Path, size: tuple[int, int] = (60, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, PAPER).save(path)
    return path


def pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


# --- IAM -----------------------------------------------------------------------------------------------------------

IAM_LINES = """#--- lines.txt ---
a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop|Mr.|Gaitskell|.
a01-000u-01 err 156 19 395 932 1850 105 nominating|any
a01-000u-02 ok 157 16 408 1106 1986 105 lost
b02-001-00 ok 157 16 408 1106 1986 105 damaged
b02-001-01 ok 157 16 408 1106 1986 105 second|form
c03-001-00 ok 157 16 408 1106 1986 105 third
"""
IAM_FORM = """<?xml version="1.0"?><form id="a01-000u" writer-id="000"><machine-printed-part>
<machine-print-line text="printed"/></machine-printed-part><handwritten-part>
<line id="a01-000u-00" text="A MOVE to &amp;quot;stop&amp;quot; Mr. Gaitskell."><word id="a01-000u-00-00" text="A"/></line>
</handwritten-part></form>"""


def iam(source: Path, xml: bool) -> Path:
    for name in ("a01-000u-00", "a01-000u-01", "b02-001-01", "c03-001-00"):
        picture(source / "lines" / name[:3] / name[:-3] / f"{name}.png")
    write_text(source / "lines" / "b02" / "b02-001" / "b02-001-00.png", "no image")
    write_text(source / "ascii" / "lines.txt", IAM_LINES)
    write_text(source / "ascii" / "forms.txt", "#\na01-000u 000 2 prt\nb02-001 007 2 prt\n")
    if xml:
        write_text(source / "xml" / "a01-000u.xml", IAM_FORM)
        write_text(source / "xml" / "other.xml", "<mets/>")
    return source


def iam_row(source: Path, name: str, text: str, writer: str = "") -> dict[str, str]:
    whole = {"image": str(source / "lines" / name[:3] / name[:-3] / f"{name}.png"), "text": text}
    return {**whole, **({"writer": writer} if writer else {}), "source": "iam"}


@pytest.mark.parametrize("xml", [True, False])
def test_iam_without_a_partition(tmp_path: Path, xml: bool) -> None:
    source, out = iam(tmp_path / "iam", xml), tmp_path / "out"
    assert prepared("iam", source, out).left_out == {"no image for the line": 1, "unreadable image": 1}
    first = 'A MOVE to "stop" Mr. Gaitskell.' if xml else "A MOVE to stop Mr. Gaitskell ."
    assert rows(out / "train.jsonl") == [
        iam_row(source, "a01-000u-00", first, "000"),
        iam_row(source, "a01-000u-01", "nominating any", "000"),
        iam_row(source, "b02-001-01", "second form", "007"),
        iam_row(source, "c03-001-00", "third"),
    ]


@pytest.mark.parametrize("aachen", [True, False])
def test_iam_with_a_partition(tmp_path: Path, aachen: bool) -> None:
    source, out = iam(tmp_path / "iam", False), tmp_path / "out"
    lists = {"train.uttlist": "a01-000u", "validation.uttlist": "b02-001", "test.uttlist": "x99-000"}
    official = {"trainset.txt": "a01-000u-00", "validationset2.txt": "b02-001-01", "testset.txt": "c03-001-00"}
    for name, content in (lists if aachen else official).items():
        write_text(source / "task" / name, content + "\n")
    left_out = prepared("iam", source, out).left_out
    assert left_out["in no list of the partition"] == (1 if aachen else 2)
    trained = [row["image"][-15:-4] for row in rows(out / "train.jsonl")]
    assert trained == (["a01-000u-00", "a01-000u-01"] if aachen else ["a01-000u-00"])
    assert rows(out / "dev.jsonl") == [{**iam_row(source, "b02-001-01", "second form", "007"), "part": "tune"}]
    tested = out / "test.jsonl"
    assert tested.exists() != aachen
    if not aachen:
        assert rows(tested) == [iam_row(source, "c03-001-00", "third")]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            {"lines.txt": "a01-000u-00 ok 154 19\n"},
            r"line 1 of .*lines\.txt is 'a01-000u-00 ok 154 19'; expected id, ok",
        ),
        ({"lines.txt": "#\na maybe 1 2 3 4 5 6 x"}, "line 2 of .*; expected id, ok or err"),
        ({"forms.txt": "a01-000u"}, r"line 1 of .*forms\.txt .* a form and its writer"),
        ({"xml/a.xml": "<form"}, r"a\.xml is not well-formed XML"),
        ({"trainset.txt": "a", "train.uttlist": "a"}, r"two partitions, trainset\.txt and train\.uttlist"),
        ({"trainset.txt": "a", "testset.txt": "b\na"}, r"line 1 of .*trainset\.txt names a, which is already for test"),
    ],
)
def test_broken_iam(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    picture(tmp_path / "a01-000u-00.png")
    for name, content in {"lines.txt": IAM_LINES, **files}.items():
        write_text(tmp_path / name, content)
    with pytest.raises(ManifestError, match=sentence):
        prepare("iam", tmp_path, tmp_path / "out")


def test_iam_needs_texts(tmp_path: Path) -> None:
    picture(tmp_path / "a01-000u-00.png")
    with pytest.raises(ManifestError, match=r"neither lines\.txt nor forms in XML"):
        prepare("iam", tmp_path, tmp_path / "out")


# --- RIMES ---------------------------------------------------------------------------------------------------------


def rimes_page(name: str, lines: str) -> str:
    return f'<SinglePage FileName="images/{name}"><Paragraph>{lines}</Paragraph></SinglePage>'


def test_rimes_pages_are_cut_into_lines(tmp_path: Path) -> None:
    source, out = tmp_path / "rimes", tmp_path / "out"
    page = Image.new("L", (60, 40), PAPER)
    page.paste(INK, (10, 5, 20, 8))
    (source / "images").mkdir(parents=True)
    for name in ("train2011-0.png", "eval2011-0.png"):
        page.save(source / "images" / name)
    write_text(source / "images" / "train2011-1.png", "no image")
    line = '<Line Top="4" Bottom="14" Left="{}" Right="70" Value="{}"/>'
    lines = line.format(-5, "l&amp;#233;g  &amp;quot;x&amp;quot;") + line.format(5, " ") + line.format(90, "beyond")
    training = rimes_page("train2011-0.png", lines) + rimes_page("train2011-1.png", line.format(1, "x"))
    write_text(source / "training_2011.xml", f"<Root>{training}{rimes_page('gone.png', '')}</Root>")
    write_text(
        source / "eval_2011_annotated.xml", f"<R>{rimes_page('eval2011-0.png', line.format(1, 'Je vous adresse'))}</R>"
    )
    assert prepared("rimes", source, out).left_out == {
        "empty text": 1,
        "a line outside its page": 1,
        "a page that cannot be used": 1,
        "no image for the page": 1,
    }
    row = {"image": "lines/train2011-0-00.png", "text": 'lég "x"', "page": "train2011-0.png", "source": "rimes"}
    assert rows(out / "train.jsonl") == [row]
    tested = {"image": "lines/eval2011-0-00.png", "text": "Je vous adresse", "page": "eval2011-0.png"}
    assert rows(out / "test.jsonl") == [{**tested, "source": "rimes"}]
    assert np.array_equal(pixels(out / row["image"]), np.asarray(page)[4:14])


def test_the_last_pages_of_rimes_are_for_dev(tmp_path: Path) -> None:
    line = '<Line Top="1" Bottom="9" Left="1" Right="50" Value="x"/>'
    for number in range(12):
        picture(tmp_path / f"t{number}.png")
    pages = "".join(rimes_page(f"t{number}.png", line) for number in range(12))
    write_text(tmp_path / "training_2011.xml", f"<R>{pages}</R>")
    prepare("rimes", tmp_path, tmp_path / "out")
    assert [row["page"] for row in rows(tmp_path / "out" / "dev.jsonl")] == ["t10.png", "t11.png"]
    assert len(rows(tmp_path / "out" / "train.jsonl")) == 10


def test_rimes_lines(tmp_path: Path) -> None:
    source, out = tmp_path / "RIMES-2011-Lines", tmp_path / "out"
    for name in ("a", "b", "c", "mute", "bad"):
        picture(source / "Images" / f"{name}.jpg")
    write_text(source / "Images" / "bad.jpg", "no image")
    for name in ("a", "b", "c", "bad", "blind"):
        write_text(source / "Transcriptions" / f"{name}.txt", f"texte {name}\n")
    write_text(source / "Sets" / "TrainLines.txt", "a\nmute\nbad\nblind\n")
    write_text(source / "Sets" / "ValidationLines.txt", "b.jpg\n")
    write_text(source / "Sets" / "TestLines.txt", "c\n")
    assert prepared("rimes", source, out).left_out == {
        "no transcription for the line": 1,
        "no image for the line": 1,
        "unreadable image": 1,
    }

    def row(name: str) -> dict[str, str]:
        return {"image": str(source / "Images" / f"{name}.jpg"), "text": f"texte {name}", "source": "rimes"}

    assert rows(out / "train.jsonl") == [row("a")]
    assert rows(out / "dev.jsonl") == [{**row("b"), "part": "tune"}]
    assert rows(out / "test.jsonl") == [row("c")]


def test_broken_rimes(tmp_path: Path) -> None:
    picture(tmp_path / "t.png")
    line = '<Line Top="x" Value="y"/>'
    write_text(tmp_path / "training.xml", f"<R>\n{rimes_page('t.png', line)}</R>")
    with pytest.raises(ManifestError, match=r"page that cannot be used .*line 2 of .*Line has no Left"):
        prepare("rimes", tmp_path, tmp_path / "out")
    write_text(tmp_path / "training.xml", "<R>")
    with pytest.raises(ManifestError, match="not well-formed"):
        prepare("rimes", tmp_path, tmp_path / "out")


# --- PAGE and ALTO -------------------------------------------------------------------------------------------------


def page_of_two_lines(path: Path) -> NDArray[np.uint8]:
    """200 x 120: one line of ink at rows 20-30, another at 60-70, and foreign ink between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page = Image.new("L", (200, 120), PAPER)
    page.paste(INK, (30, 20, 90, 30))
    page.paste(INK, (30, 60, 90, 70))
    page.paste(OTHER, (40, 36, 50, 44))
    page.save(path)
    return np.asarray(page)


PAGE = """<PcGts xmlns="{namespace}"><Page imageFilename="{image}" imageWidth="{width}" imageHeight="{height}">
<TextRegion id="r">
<TextLine id="l1"><Coords points="20,10 100,10 100,34 60,48 20,34"/><TextEquiv><Unicode>erste  Zeile</Unicode></TextEquiv></TextLine>
<TextLine id="l2"><Baseline points="25,70 95,70"/><TextEquiv><Unicode>zweite</Unicode></TextEquiv></TextLine>
<TextLine id="l3"><Coords points="20,10 100,10 100,40"/></TextLine>
<TextLine id="l4"><Coords points="300,10 400,10 400,40"/><TextEquiv><Unicode>daneben</Unicode></TextEquiv></TextLine>
</TextRegion></Page></PcGts>"""


def page_xml(image: str = "p1.png", width: int = 200, height: int = 120, namespace: str = "urn:x") -> str:
    return PAGE.format(image=image, width=width, height=height, namespace=namespace)


def test_page_xml_lines_are_cut_out(tmp_path: Path) -> None:
    source, out = tmp_path / "scans", tmp_path / "out"
    page = page_of_two_lines(source / "p1.png")
    page_of_two_lines(source / "p2.jpeg")
    # The name that the XML gives, whatever folder it had; and, where there is none of that name, the XML's own.
    write_text(source / "page" / "p1.xml", page_xml("../../etc/p1.png"))
    write_text(source / "page" / "p2.xml", page_xml("elsewhere.tif", width=400, height=240).replace("<Baseline", "<x"))
    write_text(source / "page" / "p3.xml", page_xml("p3.png"))
    write_text(source / "page" / "p1.alto.xml", "<alto/>")
    write_text(source / "page" / "p4.xml", "<PcGts><!DOCTYPE")
    left_out = prepared("page", source, out).left_out
    assert left_out == {
        "empty text": 2,
        "a line without outline or baseline on its page": 2,
        "no image for the page": 1,
        "XML of another kind than PcGts": 1,
        "a page that cannot be used": 1,
    }

    def row(name: str, number: int, line: str, text: str) -> dict[str, str]:
        whole = {"image": f"lines/page/{name}/{number:03d}.png", "text": text, "page": f"page/{name}", "line": line}
        return {**whole, "source": "scans"}

    # p2 is half as large as its XML says: what lies at 300 there is on the page.
    assert rows(out / "train.jsonl") == [
        row("p1", 0, "l1", "erste Zeile"),
        row("p1", 1, "l2", "zweite"),
        row("p2", 0, "l1", "erste Zeile"),
        row("p2", 3, "l4", "daneben"),
    ]
    first = pixels(out / "lines/page/p1/000.png")
    assert first.shape == (48 - 10, 100 - 20)
    # Inside the outline every pixel is the page's; the foreign ink, below it in part, is painted over.
    assert np.array_equal(first[:24], page[10:34, 20:100])
    assert (first[26:34, 20:30] == PAPER).sum() > 0
    outside = ImageDraw.Draw(mask := Image.new("1", (80, 38)))
    outside.polygon([(0, 0), (80, 0), (80, 24), (40, 38), (0, 24)], fill=1)
    assert (first[~np.asarray(mask)] == PAPER).all()
    # A lone baseline: a fortieth of the page's height, 3 pixels, 0.75 above it and 0.3 below.
    assert pixels(out / "lines/page/p1/001.png").shape == (71 - 67, 70)


def test_a_picture_of_another_shape_is_not_cut(tmp_path: Path) -> None:
    page_of_two_lines(tmp_path / "p1.png")
    write_text(tmp_path / "p1.xml", page_xml(width=120, height=200))
    with pytest.raises(ManifestError, match=r"p1\.png is 200 x 120 pixels, but its XML describes a page of 120 x 200"):
        prepare("page", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("unit", "factor"), [("pixel", 1), ("mm10", 0.5), ("inch1200", 8)])
def test_alto_lines_are_cut_out_in_any_unit(tmp_path: Path, unit: str, factor: float) -> None:
    source, out = tmp_path / "alto", tmp_path / "out"
    page = page_of_two_lines(source / "p1.png")
    left, top, width, height = (value * factor for value in (20, 50, 90, 30))
    write_text(
        source / "p1.xml",
        f"""<alto xmlns="urn:any"><Description><MeasurementUnit>{unit}</MeasurementUnit></Description>
        <Layout><Page WIDTH="{200 * factor}" HEIGHT="{120 * factor}"><PrintSpace><TextBlock ID="b">
        <TextLine ID="l" HPOS="{left}" VPOS="{top}" WIDTH="{width}" HEIGHT="{height}"><String CONTENT="zweite"/><SP/>
        <String CONTENT="Zeile"/></TextLine></TextBlock></PrintSpace></Page></Layout></alto>""",
    )
    prepared("alto", source, out)
    whole = {"image": "lines/p1/000.png", "text": "zweite Zeile", "page": "p1", "line": "l", "source": "alto"}
    assert rows(out / "train.jsonl") == [whole]
    assert np.array_equal(pixels(out / "lines/p1/000.png"), page[50:80, 20:110])


def test_whole_pages_go_to_dev_and_the_source_is_left_alone(tmp_path: Path) -> None:
    for number in range(20):
        page_of_two_lines(tmp_path / "in" / f"p{number}.png")
        write_text(tmp_path / "in" / f"p{number}.xml", page_xml(f"p{number}.png"))
    before = fingerprint(tmp_path / "in")
    prepare("page", tmp_path / "in", tmp_path / "out")
    pages = [[row["page"] for row in rows(tmp_path / "out" / f"{name}.jsonl")] for name in ("train", "dev")]
    assert len(pages[0]) == 38 and len(pages[1]) == 2 and len(set(pages[1])) == 1 and not {*pages[0]} & {*pages[1]}
    assert fingerprint(tmp_path / "in") == before


# --- cutting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [-150, -90, -20, 10, 45, 90, 170])
def test_a_turned_line_is_cut_level(degrees: float) -> None:
    line = draw_line("abcd efgh", size=24, paper=PAPER)
    # The line turned clockwise about the middle of a page, and its corners turned the same way.
    page = Image.new("L", (400, 400), PAPER)
    page.paste(line, (200 - line.width // 2, 200 - line.height // 2))
    page = page.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=PAPER)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    left, top = 200 - line.width // 2 - 200, 200 - line.height // 2 - 200
    box = [(left, top), (left + line.width, top), (left + line.width, top + line.height), (left, top + line.height)]
    corners = np.array([(200 + x * cos - y * sin, 200 + x * sin + y * cos) for x, y in box])
    found = np.asarray(crop.cut(page, crop.Cut(corners, degrees)), float)
    wanted = np.asarray(line, float)
    height, width = min(found.shape[0], wanted.shape[0]), min(found.shape[1], wanted.shape[1])
    assert abs(found.shape[0] - line.height) <= 1 and abs(found.shape[1] - line.width) <= 1
    # Within a pixel: two resamplings blur, and the box is rounded outwards.
    shifts = [
        np.corrcoef(
            found[dy : height - 1 + dy, dx : width - 1 + dx].ravel(), wanted[: height - 1, : width - 1].ravel()
        )[0, 1]
        for dy in (0, 1)
        for dx in (0, 1)
        if height - 1 + dy <= found.shape[0] and width - 1 + dx <= found.shape[1]
    ]
    assert max(shifts) > 0.9


def region(*baselines: tuple[float, ...], degrees: float = 0.0) -> Region:
    lines = [
        TextLine(str(k), (), tuple(Point(x, y) for x, y in zip(line[::2], line[1::2], strict=True)), "x")
        for k, line in enumerate(baselines)
    ]
    return Region("r", (), tuple(lines), "", degrees)


@pytest.mark.parametrize(
    ("baseline", "turned", "degrees"),
    [
        ((0, 0, 10, 0), 0, 0.0),
        ((0, 0, 5, 3, 10, 10), 0, 45.0),
        ((5, 0, 5, 10), 0, 90.0),
        ((5, 10, 5, 0), 0, -90.0),
        ((10, 0, 0, 0), 0, 0.0),  # right to left
        ((10, 0, 0, 1), 0, math.degrees(math.atan2(-1, 10))),
        ((), 90, -90.0),  # no baseline: what the region says, anticlockwise
        ((3, 3), 10, -10.0),
    ],
)
def test_direction_of_a_line(baseline: tuple[float, ...], turned: float, degrees: float) -> None:
    assert crop.direction(0, region(baseline, degrees=turned), (1, 1)) == pytest.approx(degrees)


def test_a_baseline_is_given_its_share_of_the_distance_to_its_neighbours() -> None:
    text = region((10, 100, 90, 100), (10, 140, 50, 140), (50, 141, 90, 141), (10, 181, 90, 181))
    corners = crop.outline(0, text, (1, 2), (1000, 1000))
    assert corners is not None
    # Twice as high as in the file: 80 from line to line; 60 above the baseline, 24 below it.
    assert corners.tolist() == [[10, 140], [90, 140], [90, 224], [10, 224]]


@pytest.mark.parametrize(
    ("polygon", "left"),
    [
        ((-50, 10, 30, 10, 30, 20, -50, 20), [0, 10, 30, 20]),
        ((10, 10, 12, 10, 12, 20), None),  # two pixels wide
        ((210, 10, 230, 10, 230, 20), None),
        ((1e6, -1e6, 1e6, 1e6, -1e6, 1e6, -1e6, -1e6), [0, 0, 200, 120]),
    ],
)
def test_outlines_are_kept_on_the_page(polygon: tuple[float, ...], left: list[float] | None) -> None:
    points = tuple(Point(x, y) for x, y in zip(polygon[::2], polygon[1::2], strict=True))
    corners = crop.outline(0, Region("r", (), (TextLine("l", points, (), "x"),)), (1, 1), (200, 120))
    assert (None if corners is None else [*corners.min(axis=0), *corners.max(axis=0)]) == left
