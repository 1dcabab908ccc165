"""Line images with their text beside them in .gt.txt, as Tesseract, kraken, Calamari and OCRopus keep them."""

from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from recog import image
from recog.corpora.found import Found, Sample, transcript, walk, written_path
from recog.errors import InputError

TEXT = ".gt.txt"
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
# Best first: the plain picture, the one with normalised greys, the black and white one. They are one line, one sample.
VARIANTS = ("", ".nrm", ".bin")


def read(source: Path, base: Path, tell: Callable[[int, int], object] = lambda done, all_: None) -> Found:
    """a.png (or a.nrm.png, a.bin.png, .jpg ...) + a.gt.txt, in any depth -> samples for a manifest in `base`.

    Every picture is decoded once, so that a damaged one is met here. `tell` is told of lines looked at, and of how many
    there are; what it raises ends the reading. Refuses a source without a sample.
    """
    found = Found()
    files = walk(source, found)
    texts = [path for path in files if path.name.endswith(TEXT)]
    # Under its name with a lower-case suffix: scanners write .PNG and .TIF too.
    pictures = {path.with_suffix(path.suffix.lower()): path for path in files if path.suffix.lower() in SUFFIXES}
    explained = set[Path]()
    for number, path in enumerate(tqdm(texts, "lines", unit="line", mininterval=0.5)):
        tell(number, len(texts))
        stem = path.with_name(path.name.removesuffix(TEXT))
        name = stem.relative_to(source).as_posix()
        mine = _pictures(stem, pictures)
        explained.update(mine)
        if not mine:
            found.leave_out("no image beside the .gt.txt", name)
            continue
        text = transcript(path, found, name)
        if not text:
            continue
        try:
            image.read(mine[0])
        except InputError:
            found.leave_out("unreadable image", mine[0].relative_to(source).as_posix())
            continue
        row = {"image": written_path(mine[0], base), "text": text, "source": source.resolve().name}
        found.samples.append(Sample(name, row))
    for path in sorted(set(pictures.values()) - explained):
        found.leave_out("no .gt.txt beside the image", path.relative_to(source).as_posix())
    return found.usable("line images (name.png, name.nrm.png, name.bin.png) with name.gt.txt beside each", source)


def _pictures(stem: Path, pictures: dict[Path, Path]) -> list[Path]:
    """The pictures of one line, best first."""
    named = [stem.with_name(stem.name + variant + suffix) for variant in VARIANTS for suffix in SUFFIXES]
    return [pictures[path] for path in named if path in pictures]
