"""ALTO XML (Library of Congress, versions 1 to 4), as eScriptorium, ABBYY and library scanners write it: reading.

    <alto><Description><MeasurementUnit>pixel</MeasurementUnit>
        <sourceImageInformation><fileName>0001.jpg</fileName></sourceImageInformation></Description>
      <Layout><Page WIDTH="2000" HEIGHT="3000"><PrintSpace><TextBlock ID="b1">
        <TextLine ID="l1" HPOS="10" VPOS="40" WIDTH="890" HEIGHT="60" BASELINE="10,80 900,82">
          <Shape><Polygon POINTS="..."/></Shape>
          <String CONTENT="Was"/><SP/><String CONTENT="da"/></TextLine></TextBlock></PrintSpace></Page></Layout></alto>

Any namespace or none. Coordinates may be pixels, tenths of a millimetre or 1/1200 inch: they come as they stand, in
the unit of the page's WIDTH and HEIGHT.
"""

from pathlib import Path
from typing import Any

from recog.errors import InputError
from recog.formats import xml_file
from recog.formats.document import Page, Point, Region, TextLine

ROOT = "alto"
UNITS = ("pixel", "mm10", "inch1200")


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
