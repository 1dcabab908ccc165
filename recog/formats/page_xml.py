"""PAGE XML (Pletschacher & Antonacopoulos 2010), as Transkribus, eScriptorium, Larex and Aletheia write it.

    <PcGts><Page imageFilename="0001.jpg" imageWidth="2000" imageHeight="3000">
      <ReadingOrder><OrderedGroup><RegionRefIndexed index="0" regionRef="r1"/></OrderedGroup></ReadingOrder>
      <TextRegion id="r1" type="paragraph" orientation="0"><Coords points="10,10 900,10 900,400 10,400"/>
        <TextLine id="l1"><Coords points="..."/><Baseline points="10,80 900,82"/>
          <TextEquiv><Unicode>Was da steht</Unicode></TextEquiv></TextLine></TextRegion></Page></PcGts>

Read in any namespace or none; in the 2010 form with <Point x="" y=""/> below Coords too. Written as of 2019-07-15.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recog.errors import InputError
from recog.formats import xml_file
from recog.formats.document import Page, Point, Region, TextLine, Word

ROOT = "PcGts"
NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"


def read(path: Path) -> Page:
    """The page of a file: text regions in reading order, each with the lines right below it.

    A line's text is its own TextEquiv (of several, the one with the smallest index), or else that of its words with
    spaces between. Refuses what is not PAGE XML, and coordinates that are no numbers, by line.
    """
    root = xml_file.parse(path)
    if xml_file.name(root) != ROOT:
        raise InputError(f"{path} is not PAGE XML: its root is {xml_file.name(root)!r}, expected {ROOT!r}")
    page = xml_file.child(root, "Page")
    if page is None:
        raise InputError(f"{path} is not PAGE XML: it holds no Page")
    found: dict[str, Any] = {}
    for number, region in enumerate(xml_file.descendants(page, "TextRegion", "TableCell")):
        id_ = region.get("id") or f"region {number}"
        found[id_ if id_ not in found else f"{id_} {number}"] = region
    # Regions without a place in the order come last, as they stand in the file.
    ordered = dict.fromkeys([*(reference for reference in _order(page) if reference in found), *found])
    regions = tuple(_region(found[id_], id_, path) for id_ in ordered)
    xml_file.check_lines(sum(len(region.lines) for region in regions), path)
    return Page(
        page.get("imageFilename") or "",
        xml_file.number(page, "imageWidth", path, 0.0),
        xml_file.number(page, "imageHeight", path, 0.0),
        regions,
    )


def _order(page: Any) -> Iterator[str]:
    """Region ids in the order of ReadingOrder: by index in ordered groups, as they stand in unordered ones."""
    order = xml_file.child(page, "ReadingOrder")
    waiting = [] if order is None else list(order)[::-1]
    while waiting:
        element = waiting.pop()
        if element.get("regionRef"):
            yield element.get("regionRef")
        below = [inner for inner in element if xml_file.name(inner)]
        waiting.extend(sorted(below, key=_index)[::-1])


def _index(element: Any) -> int:
    written = element.get("index") or ""
    return int(written) if written.isascii() and written.isdigit() and len(written) < 10 else 0


def _region(element: Any, id_: str, path: Path) -> Region:
    lines = tuple(
        TextLine(
            line.get("id") or f"{id_} line {number}",
            _coordinates(xml_file.child(line, "Coords"), path),
            _coordinates(xml_file.child(line, "Baseline"), path),
            _text(line),
        )
        for number, line in enumerate(xml_file.children(element, "TextLine"))
    )
    polygon = _coordinates(xml_file.child(element, "Coords"), path)
    # `orientation` is the clockwise turn that would put the region right: the text is turned the other way.
    return Region(id_, polygon, lines, element.get("type") or "", xml_file.number(element, "orientation", path, 0.0))


def _coordinates(element: Any, path: Path) -> tuple[Point, ...]:
    if element is None:
        return ()
    corners = list(xml_file.children(element, "Point"))
    if corners:  # the schema of 2010
        return tuple(Point(xml_file.number(c, "x", path), xml_file.number(c, "y", path)) for c in corners)
    return xml_file.points(element, "points", path)


def _text(line: Any) -> str:
    own = _best(line)
    return own or " ".join(filter(None, (_best(word) for word in xml_file.children(line, "Word"))))


def _best(element: Any) -> str:
    """The transcription of a line or word, white space collapsed."""
    versions = sorted(xml_file.children(element, "TextEquiv"), key=_index)
    for version in versions:
        written = xml_file.child(version, "Unicode")
        if written is not None and "".join(written.itertext()).strip():
            return " ".join("".join(written.itertext()).split())
    return ""


def dumps(page: Page, creator: str, created: datetime | None = None) -> bytes:
    """A page -> the bytes of a file: regions in reading order, lines with outline and baseline, words with confidence.

    Coordinates are written as whole pixels. `created`: with its time zone; None for now.
    """
    from lxml import etree

    root = etree.Element(f"{{{NAMESPACE}}}{ROOT}", nsmap={None: NAMESPACE})
    xsi = "http://www.w3.org/2001/XMLSchema-instance"
    root.set(f"{{{xsi}}}schemaLocation", f"{NAMESPACE} {NAMESPACE}/pagecontent.xsd")
    about = _below(root, "Metadata")
    moment = (created or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    for name, value in (("Creator", xml_file.text(creator)), ("Created", moment), ("LastChange", moment)):
        _below(about, name).text = value
    size = {"imageWidth": f"{page.width:.0f}", "imageHeight": f"{page.height:.0f}"}
    sheet = _below(root, "Page", imageFilename=xml_file.text(page.image), **size)
    if page.regions:
        group = _below(_below(sheet, "ReadingOrder"), "OrderedGroup", id="order")
        for number, region in enumerate(page.regions):
            _below(group, "RegionRefIndexed", index=str(number), regionRef=region.id)
    for region in page.regions:
        block = _below(sheet, "TextRegion", id=region.id, **({"type": region.kind} if region.kind else {}))
        _below(block, "Coords", points=xml_file.written_points(region.polygon))
        for line in region.lines:
            _write_line(block, line)
        _write_text(block, "\n".join(line.text for line in region.lines))
    return xml_file.dumps(root)


def _below(parent: Any, name: str, **attributes: str) -> Any:
    from lxml import etree

    return etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)


def _write_line(block: Any, line: TextLine) -> None:
    written = _below(block, "TextLine", id=line.id)
    _below(written, "Coords", points=xml_file.written_points(line.polygon))
    if len(line.baseline) >= 2:
        _below(written, "Baseline", points=xml_file.written_points(line.baseline))
    for number, word in enumerate(line.words):
        _write_word(written, f"{line.id}-w{number}", word)
    _write_text(written, line.text)


def _write_word(written: Any, id_: str, word: Word) -> None:
    element = _below(written, "Word", id=id_)
    _below(element, "Coords", points=xml_file.written_points(word.polygon))
    _write_text(element, word.text, word.confidence)


def _write_text(element: Any, text: str, confidence: float | None = None) -> None:
    told = {} if confidence is None else {"conf": f"{min(max(confidence, 0.0), 1.0):.4f}"}
    _below(_below(element, "TextEquiv", **told), "Unicode").text = xml_file.text(text)
