"""Pages in PAGE XML or ALTO -> marked pages, to train and to measure on."""

from pathlib import Path, PurePosixPath

import numpy as np

from recog import image
from recog.corpora import crop
from recog.corpora.lines import SUFFIXES
from recog.errors import InputError
from recog.formats import alto, page_xml, xml_file
from recog.formats.document import Page
from recog.layout.marked import MarkedLine, MarkedPage

# A line that has only an outline stands at this share of its height.
STANDS = 0.75


def read(folder: Path) -> list[MarkedPage]:
    """Every PAGE or ALTO file of a folder and those below it whose picture lies beside it or one folder up.

    Other XML is passed over. Refuses a folder with no page that can be used, and a page without its picture.
    """
    readers = {page_xml.ROOT.lower(): page_xml.read, alto.ROOT.lower(): alto.read}
    pages = []
    for path in sorted(folder.rglob("*.xml")):
        reader = readers.get(xml_file.name(xml_file.parse(path)).lower())
        if reader is not None:
            pages.append(_marked(reader(path), path, folder.name))
    if not pages:
        raise InputError(f"{folder} holds no PAGE or ALTO XML; name a folder with the files and their pictures")
    return pages


def _marked(page: Page, path: Path, source: str) -> MarkedPage:
    asked = PurePosixPath(page.image.replace("\\", "/"))
    names = [asked.name, *(stem + suffix for stem in (path.stem, asked.stem) for suffix in sorted(SUFFIXES))]
    places = [folder / name for folder in (path.parent, path.parent.parent) for name in names if name]
    picture = next((place for place in places if place.is_file()), None)
    if picture is None:
        raise InputError(f"{path} describes {asked.name or 'a picture without a name'}, which does not lie beside it")
    size = image.upright_size(picture)
    scale = (size[0] / page.width, size[1] / page.height) if page.width > 0 and page.height > 0 else (1.0, 1.0)
    lines = []
    for region in page.regions:
        for number, line in enumerate(region.lines):
            outline = crop.outline(number, region, scale, size)
            if outline is None:
                continue  # a line that lies nowhere on its page
            baseline = np.array([(point.x, point.y) for point in line.baseline]) * scale
            if len(line.baseline) < 2:
                (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
                height = top + STANDS * (bottom - top)
                baseline = np.array([[left, height], [right, height]])
            lines.append(MarkedLine(baseline, outline, line.text))
    return MarkedPage(picture, tuple(lines), source)
