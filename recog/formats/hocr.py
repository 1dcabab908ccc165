"""hOCR (Breuel 2007; specification 1.2): pages of lines and words as XHTML that browsers show; writing.

<div class="ocr_page" title="image 'letter.jpg'; bbox 0 0 2000 3000; ppageno 0"><div class="ocr_carea" ...>
  <p class="ocr_par" ...><span class="ocr_line" title="bbox 10 40 900 100; baseline 0.002 -20">
    <span class="ocrx_word" title="bbox 10 45 120 95; x_wconf 93">Was</span> ...</span></p></div></div>
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recog.formats import xml_file
from recog.formats.document import Box, Page, Region, TextLine, box_of

NAMESPACE = "http://www.w3.org/1999/xhtml"
DOCTYPE = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">'
)
CAPABILITIES = "ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_wconf"


def dumps(pages: Sequence[Page], title: str, creator: str) -> bytes:
    """Pages in order -> the bytes of one file; ids are told apart by the number of the page."""
    from lxml import etree

    root = etree.Element(f"{{{NAMESPACE}}}html", nsmap={None: NAMESPACE})
    head = _below(root, "head")
    _below(head, "title").text = xml_file.text(title)
    _below(head, "meta", **{"http-equiv": "Content-Type", "content": "text/html; charset=utf-8"})
    _below(head, "meta", name="ocr-system", content=xml_file.text(creator))
    _below(head, "meta", name="ocr-capabilities", content=CAPABILITIES)
    _below(head, "meta", name="ocr-number-of-pages", content=str(len(pages)))
    body = _below(root, "body")
    for number, page in enumerate(pages):
        told = f"image {_quoted(page.image)}; {_bbox(Box(0, 0, page.width, page.height))}; ppageno {number}"
        sheet = _below(body, "div", **{"class": "ocr_page", "id": f"page_{number + 1}", "title": told})
        for region in page.regions:
            _write_region(sheet, region, f"{number + 1}_{region.id}")
    return xml_file.dumps(root, DOCTYPE)


def _below(parent: Any, tag: str, **attributes: str) -> Any:
    from lxml import etree

    return etree.SubElement(parent, f"{{{NAMESPACE}}}{tag}", attributes)


def _write_region(sheet: Any, region: Region, id_: str) -> None:
    place = _bbox(box_of(region.polygon))
    area = _below(sheet, "div", **{"class": "ocr_carea", "id": f"block_{id_}", "title": place})
    paragraph = _below(area, "p", **{"class": "ocr_par", "id": f"par_{id_}", "title": place})
    for number, line in enumerate(region.lines):
        name = f"{id_}_{number}"
        written = _below(paragraph, "span", **{"class": "ocr_line", "id": f"line_{name}", "title": _line_title(line)})
        if not line.words:
            written.text = xml_file.text(line.text)
        for place_, word in enumerate(line.words):
            sure = "" if word.confidence is None else f"; x_wconf {round(100 * min(max(word.confidence, 0.0), 1.0))}"
            told = _bbox(box_of(word.polygon)) + sure
            element = _below(written, "span", **{"class": "ocrx_word", "id": f"word_{name}_{place_}", "title": told})
            element.text = xml_file.text(word.text)
            if place_ + 1 < len(line.words):
                element.tail = " "  # so that the words of a line are shown apart


def _line_title(line: TextLine) -> str:
    box = box_of(line.polygon)
    if len(line.baseline) < 2 or box_of(line.baseline).width < 1:
        return _bbox(box)
    # A straight line through the points, from the lower left corner of the box (specification, "baseline").
    slope, height = np.polyfit(
        [point.x - round(box.left) for point in line.baseline],
        [point.y - round(box.bottom) for point in line.baseline],
        1,
    )
    return f"{_bbox(box)}; baseline {slope:.4f} {height:.0f}"


def _bbox(box: Box) -> str:
    sides = (box.left, box.top, box.right, box.bottom)
    return "bbox " + " ".join(str(max(0, round(side))) for side in sides)


def _quoted(name: str) -> str:
    """A file's name as properties hold it, in double quotes; the quotes and backslashes inside are escaped."""
    escaped = xml_file.text(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
