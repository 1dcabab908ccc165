"""RIMES (Grosicki & El Abed 2011), French letters, in either of the two layouts in which it goes round.

As pages, of the ICDAR 2011 competition; every XML at the top of the source, pictures anywhere below it:

    training_2011.xml           <SinglePage FileName="images/train2011-0.png"><Paragraph>
    eval_2011_annotated.xml       <Line Top="10" Bottom="90" Left="5" Right="900" Value="Je vous adresse"/>

As lines, of 2011 or like it:

    Sets/TrainLines.txt, Sets/ValidationLines.txt, Sets/TestLines.txt      one id a line
    Images/train2011-0_000001.jpg        Transcriptions/train2011-0_000001.txt
"""

import html
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from tqdm import tqdm

from recog import image
from recog.corpora import crop, media
from recog.corpora.entries import entries
from recog.corpora.found import Found, Sample, transcript, walk, written_path
from recog.corpora.lines import SUFFIXES
from recog.errors import InputError, ManifestError
from recog.formats import xml_file

LISTS = {"TrainLines.txt": "train", "ValidationLines.txt": "dev", "TestLines.txt": "test"}
# The last pages of the training XML that serve for dev, as is usual (1400 of 1500 are left to train on).
DEV_PAGES = 100


def read(source: Path, base: Path) -> Found:
    """Lines -> samples for a manifest in `base` with their official use; lines of pages are cut out below it.

    Of page XML, what has "eval" or "test" in its name is for testing, and the last DEV_PAGES pages of the others
    together for dev (a fifth, if there are fewer than five times as many).
    Refuses a source with neither layout, boxes that are no numbers (by line), and a source without a sample.
    """
    found = Found()
    files = walk(source, found)
    lists = [path for path in files if path.name in LISTS]
    if lists:
        _read_lines(files, lists, source, base, found)
    else:
        _read_pages(files, source, base, found)
    return found.usable("Sets/TrainLines.txt with Images/ and Transcriptions/, or XML of SinglePage and Line", source)


def _read_lines(files: list[Path], lists: list[Path], source: Path, base: Path, found: Found) -> None:
    pictures = {path.stem: path for path in files if path.suffix.lower() in SUFFIXES}
    texts = {path.stem: path for path in files if path.suffix == ".txt" and path.name not in LISTS}
    for listed in lists:
        for entry in tqdm(entries(listed), listed.stem, unit="line", mininterval=0.5):
            name = PurePosixPath(entry.text).name
            name = PurePosixPath(name).stem if PurePosixPath(name).suffix.lower() in (*SUFFIXES, ".txt") else name
            if name not in pictures or name not in texts:
                found.leave_out(f"no {'transcription' if name in pictures else 'image'} for the line", name)
                continue
            text = transcript(texts[name], found, name)
            if not text:
                continue
            try:
                image.read(pictures[name])
            except InputError:
                found.leave_out("unreadable image", pictures[name].relative_to(source).as_posix())
                continue
            row = {"image": written_path(pictures[name], base), "text": text, "source": "rimes"}
            found.samples.append(Sample(name, row, LISTS[listed.name]))


def _read_pages(files: list[Path], source: Path, base: Path, found: Found) -> None:
    pictures = {path.name: path for path in files if path.suffix.lower() in SUFFIXES}
    training: list[tuple[Path, Any]] = []
    testing: list[tuple[Path, Any]] = []
    for path in (path for path in files if path.suffix.lower() == ".xml"):
        try:
            root = xml_file.parse(path)
        except InputError as error:
            raise ManifestError(str(error)) from error
        pages = [(path, page) for page in xml_file.descendants(root, "SinglePage")]
        (testing if "eval" in path.stem.lower() or "test" in path.stem.lower() else training).extend(pages)
    dev = min(DEV_PAGES, len(training) // 5)
    uses = ["train"] * (len(training) - dev) + ["dev"] * dev + ["test"] * len(testing)
    pages_of = tqdm(training + testing, "pages", unit="page", mininterval=0.5)
    for (path, page), use in zip(pages_of, uses, strict=True):
        name = PurePosixPath((page.get("FileName") or "").replace("\\", "/")).name
        picture = pictures.get(name)
        if picture is None:
            found.leave_out("no image for the page", name or xml_file.where(page, path))
            continue
        try:
            width, height = image.read(picture).size
            _add(found, page, path, (picture, width, height), use, base)
        except InputError as error:
            found.leave_out("a page that cannot be used", str(error))


def _add(found: Found, page: Any, path: Path, opened: tuple[Path, int, int], use: str, base: Path) -> None:
    picture, width, height = opened
    cuts: dict[Path, crop.Cut] = {}
    samples = []
    for number, line in enumerate(xml_file.descendants(page, "Line")):
        name = f"{picture.stem}-{number:02d}"
        # Escaped twice, as &amp;#233;
        text = " ".join(html.unescape(line.get("Value") or "").split())
        left, top, right, bottom = (xml_file.number(line, side, path) for side in ("Left", "Top", "Right", "Bottom"))
        box = np.clip(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]), 0, (width, height))
        if not text:
            found.leave_out("empty text", name)
        elif not (box[2] - box[0] >= crop.LEAST_PX).all():
            found.leave_out("a line outside its page", name)
        else:
            target = base / "lines" / media.file_name(name, ".png")
            cuts[target] = crop.Cut(box)
            row = {"image": written_path(target, base), "text": text, "page": picture.name, "source": "rimes"}
            samples.append(Sample(picture.stem, row, use))
    found.samples.extend(samples)
    found.work.append(lambda: crop.write(picture, cuts))
