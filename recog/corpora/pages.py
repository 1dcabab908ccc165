"""Pages transcribed in PAGE XML or ALTO: the lines are cut from the page's picture as their outlines or baselines say.

    page_001.jpg  page_001.xml              side by side,
    page_001.jpg  page/page_001.xml         or in a folder below (Transkribus)

The picture is the one that the XML names, whatever folder it says, or else the one with the XML's name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from recog import image
from recog.corpora import crop, media
from recog.corpora.found import Found, Sample, walk, written_path
from recog.corpora.lines import SUFFIXES
from recog.errors import InputError
from recog.formats import alto, page_xml, xml_file
from recog.formats.document import Page

# The shape that the XML gives the page may differ from the picture's by this share: rounding of scaled scans.
SHAPE_TOLERANCE = 0.02


@dataclass(frozen=True)
class _Opened:
    """A page's picture and how the XML's coordinates lie on it."""

    picture: Path
    # Width and height in pixels.
    size: tuple[int, int]
    # Pixels for a unit of the XML, across and down.
    scale: tuple[float, float]


def read_page_xml(source: Path, base: Path) -> Found:
    """Lines of PAGE XML -> samples for a manifest in `base`, grouped by page; their pictures are cut out below it.

    XML of another kind (METS, ALTO) is left out and counted, as are lines without text or outside the page. Refuses a
    source without a single line that can be used.
    """
    return _read(source, base, page_xml.ROOT, page_xml.read)


def read_alto(source: Path, base: Path) -> Found:
    """Lines of ALTO XML -> samples, as read_page_xml does; coordinates in millimetres or inches are scaled to pixels."""
    return _read(source, base, alto.ROOT, alto.read)


def _read(source: Path, base: Path, root: str, reader: Callable[[Path], Page]) -> Found:
    found = Found()
    files = walk(source, found)
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    by_place = {(path.parent, path.name): path for path in pictures}
    by_place |= {(path.parent, path.stem): path for path in pictures}
    for path in tqdm([path for path in files if path.suffix.lower() == ".xml"], "pages", unit="page", mininterval=0.5):
        name = path.relative_to(source).as_posix()
        try:
            if xml_file.name(xml_file.parse(path)).lower() != root.lower():
                found.leave_out(f"XML of another kind than {root}", name)
                continue
            page = reader(path)
            asked = PurePosixPath(page.image.replace("\\", "/")).name
            places = [(folder, key) for folder in (path.parent, path.parent.parent) for key in (asked, path.stem)]
            picture = next((by_place[place] for place in places if place in by_place), None)
            if picture is None:
                found.leave_out("no image for the page", name)
                continue
            place = path.relative_to(source).with_suffix("").as_posix()
            _add(found, page, _open(page, picture), base, place, source.resolve().name)
        except InputError as error:
            found.leave_out("a page that cannot be used", str(error))
    return found.usable(f"XML with the root {root} and the picture of each page", source)


def _open(page: Page, picture: Path) -> _Opened:
    """Refuses a picture that cannot be decoded, or of another shape than the XML says."""
    width, height = image.read(picture).size
    if page.width <= 0 or page.height <= 0:
        return _Opened(picture, (width, height), (1.0, 1.0))
    across, down = width / page.width, height / page.height
    if abs(across / down - 1) > SHAPE_TOLERANCE:
        raise InputError(
            f"{picture} is {width} x {height} pixels, but its XML describes a page of {page.width:g} x {page.height:g}"
        )
    return _Opened(picture, (width, height), (across, down))


def _add(found: Found, page: Page, opened: _Opened, base: Path, name: str, source: str) -> None:
    cuts: dict[Path, crop.Cut] = {}
    lines = [(region, number) for region in page.regions for number in range(len(region.lines))]
    for count, (region, number) in enumerate(lines):
        line = region.lines[number]
        corners = crop.outline(number, region, opened.scale, opened.size)
        if not line.text:
            found.leave_out("empty text", f"{name} {line.id}")
        elif corners is None:
            found.leave_out("a line without outline or baseline on its page", f"{name} {line.id}")
        else:
            target = base.joinpath(
                "lines", *(media.file_name(part, "") for part in name.split("/")), f"{count:03d}.png"
            )
            cuts[target] = crop.Cut(corners, crop.direction(number, region, opened.scale))
            row = {
                "image": written_path(target, base),
                "text": line.text,
                "page": name,
                "line": line.id,
                "source": source,
            }
            found.samples.append(Sample(name, row))
    found.work.append(lambda: crop.write(opened.picture, cuts))
