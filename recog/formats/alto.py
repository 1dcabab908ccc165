"""ALTO XML (Library of Congress, versions 1 to 4), as eScriptorium, ABBYY and library scanners write it.

    <alto><Description><MeasurementUnit>pixel</MeasurementUnit>
        <sourceImageInformation><fileName>0001.jpg</fileName></sourceImageInformation></Description>
      <Layout><Page WIDTH="2000" HEIGHT="3000"><PrintSpace><TextBlock ID="b1">
        <TextLine ID="l1" HPOS="10" VPOS="40" WIDTH="890" HEIGHT="60" BASELINE="10,80 900,82">
          <Shape><Polygon POINTS="..."/></Shape>
          <String CONTENT="Was"/><SP/><String CONTENT="da"/></TextLine></TextBlock></PrintSpace></Page></Layout></alto>

Read in any namespace or none, written as version 4.4. Coordinates may be pixels, tenths of a millimetre or 1/1200 inch: they come as they stand, in the unit of the page's WIDTH and HEIGHT; written are pixels.
"""

from pathlib import Path
from typing import Any

from recog.errors import InputError
from recog.formats import xml_file
from recog.formats.document import Box, Page, Point, Region, TextLine, box_of

ROOT = "alto"
UNITS = ("pixel", "mm10", "inch1200")
NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"


def read(path: Path) -> Page:
    """The page of a file: its text blocks in document order.

    A line's text is its strings with a space between, and the hyphen at its end; a line without Shape has its box as
    the outline. Refuses what is not ALTO, several pages in one file, a unit other than UNITS, a unit other than pixels
    without the page's size, and coordinates that are no numbers, by line.
    """
    root = xml_file.parse(path)
    if xml_file.name(root).lower() != ROOT:
        raise InputError(f"{path} is not ALTO XML: its root is {xml_file.name(root)!r}, expected {ROOT!r}")
    pages = [page for layout in xml_file.children(root, "Layout") for page in xml_file.children(layout, "Page")]
    if len(pages) != 1:
        raise InputError(f"{path} holds {len(pages)} pages; expected one page a file")
    described = xml_file.child(root, "Description", "MeasurementUnit")
    unit = "pixel" if described is None else (described.text or "pixel").strip().lower()
    width, height = (xml_file.number(pages[0], side, path, 0.0) for side in ("WIDTH", "HEIGHT"))
    if unit not in UNITS or (unit != "pixel" and not (width > 0 and height > 0)):
        raise InputError(f"{path} measures in {unit!r}; expected pixel, or mm10 or inch1200 with the page's size")
    image = xml_file.child(root, "Description", "sourceImageInformation", "fileName")
    regions = tuple(
        _region(block, block.get("ID") or f"block {number}", path)
        for number, block in enumerate(xml_file.descendants(pages[0], "TextBlock"))
    )
    xml_file.check_lines(sum(len(region.lines) for region in regions), path)
    return Page("" if image is None else (image.text or "").strip(), width, height, regions)


def _region(block: Any, id_: str, path: Path) -> Region:
    lines = tuple(
        TextLine(
            line.get("ID") or f"{id_} line {number}",
            _outline(line, path),
            _baseline(line, path),
            _text(line),
        )
        for number, line in enumerate(xml_file.children(block, "TextLine"))
    )
    return Region(
        id_, _outline(block, path), lines, block.get("TYPE") or "", xml_file.number(block, "ROTATION", path, 0.0)
    )


def _outline(element: Any, path: Path) -> tuple[Point, ...]:
    polygon = xml_file.child(element, "Shape", "Polygon")
    if polygon is not None:
        return xml_file.points(polygon, "POINTS", path)
    if element.get("WIDTH") is None or element.get("HEIGHT") is None:
        return ()
    left, top, width, height = (xml_file.number(element, side, path) for side in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    right, bottom = left + width, top + height
    return (Point(left, top), Point(right, top), Point(right, bottom), Point(left, bottom))


def _baseline(line: Any, path: Path) -> tuple[Point, ...]:
    """Points since version 4; before it, a single height for the whole line."""
    written = (line.get("BASELINE") or "").split()
    if len(written) == 1 and "," not in written[0]:
        y, left = xml_file.number(line, "BASELINE", path), xml_file.number(line, "HPOS", path, 0.0)
        width = xml_file.number(line, "WIDTH", path, 0.0)
        return (Point(left, y), Point(left + width, y)) if width > 0 else ()
    return xml_file.points(line, "BASELINE", path)


def _text(line: Any) -> str:
    words: list[str] = []
    for piece in xml_file.children(line, "String", "HYP"):
        content = " ".join((piece.get("CONTENT") or "").split())
        if xml_file.name(piece) == "HYP" and words:
            words[-1] += content
        elif content:
            words.append(content)
    return " ".join(words)


def dumps(page: Page, creator: str, number: int = 1) -> bytes:
    """A page -> the bytes of a file: a block for each region, words with confidence, the spaces between them.

    `number`: which page of its document it is, from 1. A word that holds spaces becomes one string.
    """
    from lxml import etree

    root = etree.Element(f"{{{NAMESPACE}}}{ROOT}", nsmap={None: NAMESPACE})
    root.set("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", f"{NAMESPACE} {SCHEMA}")
    about = _below(root, "Description")
    _below(about, "MeasurementUnit").text = "pixel"
    _below(_below(about, "sourceImageInformation"), "fileName").text = xml_file.text(page.image)
    processing = _below(about, "Processing", ID="recognition")
    _below(processing, "processingCategory").text = "contentGeneration"
    _below(_below(processing, "processingSoftware"), "softwareName").text = xml_file.text(creator)
    whole = Box(0, 0, page.width, page.height)
    size = {"WIDTH": f"{page.width:.0f}", "HEIGHT": f"{page.height:.0f}"}
    sheet = _below(_below(root, "Layout"), "Page", ID=f"page-{number}", PHYSICAL_IMG_NR=str(number), **size)
    space = _below(sheet, "PrintSpace", **_place(whole))
    for region in page.regions:
        block = _below(space, "TextBlock", ID=region.id, **_place(box_of(region.polygon)))
        _write_shape(block, region.polygon)
        for line in region.lines:
            _write_line(block, line)
    return xml_file.dumps(root)


def _below(parent: Any, name: str, **attributes: str) -> Any:
    from lxml import etree

    return etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)


def _place(box: Box) -> dict[str, str]:
    sides = {"HPOS": box.left, "VPOS": box.top, "WIDTH": box.width, "HEIGHT": box.height}
    return {side: f"{max(0, round(value))}" for side, value in sides.items()}


def _write_shape(element: Any, polygon: tuple[Point, ...]) -> None:
    _below(_below(element, "Shape"), "Polygon", POINTS=xml_file.written_points(polygon))


def _write_line(block: Any, line: TextLine) -> None:
    base = {"BASELINE": xml_file.written_points(line.baseline)} if len(line.baseline) >= 2 else {}
    written = _below(block, "TextLine", ID=line.id, **_place(box_of(line.polygon)), **base)
    _write_shape(written, line.polygon)
    boxes = [box_of(word.polygon) for word in line.words]
    if not line.words:
        _below(written, "String", ID=f"{line.id}-w0", **_place(box_of(line.polygon)), CONTENT=xml_file.text(line.text))
    for number, (word, box) in enumerate(zip(line.words, boxes, strict=True)):
        if number:
            before = boxes[number - 1]
            gap = Box(before.right, before.top, max(before.right, box.left), before.bottom)
            _below(written, "SP", **{side: value for side, value in _place(gap).items() if side != "HEIGHT"})
        sure = {} if word.confidence is None else {"WC": f"{min(max(word.confidence, 0.0), 1.0):.4f}"}
        _below(written, "String", ID=f"{line.id}-w{number}", **_place(box), CONTENT=xml_file.text(word.text), **sure)
