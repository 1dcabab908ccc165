"""Pages parted into columns by drawn rules or by bare paper: tables and columns, for the segmenter to learn from."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from recog.layout.marked import Course

Random = np.random.Generator
Values = NDArray[np.float64]

# Half the bare strip at a rule, and half of one without a rule, in heights of the writing.
BESIDE_RULE, BARE = (0.06, 0.5), (0.8, 1.8)
# What is left of a line beside a strip is a line from so many heights on.
SHORTEST = 0.4
# Paper beside a strip is looked for so many pixels away at most.
PAPER_PX = 30


def parted(picture: Image.Image, lines: tuple[Course, ...], random: Random) -> tuple[Image.Image, tuple[Course, ...]]:
    """A grey page whose lines lie about level -> the same page with one to five bare strips from top to bottom, most of
    them with a rule in the middle, and its lines ended where a strip begins. Without lines it comes back as it was.
    """
    if not lines:
        return picture, lines
    height = float(np.median([np.median(line.above) + np.median(line.below) for line in lines]))
    points = np.concatenate([line.points for line in lines])
    left, right = np.percentile(points[:, 0], (2, 98))
    values = np.array(picture, dtype=np.uint8)
    rules = []
    for _ in range(int(random.integers(1, 6))):
        middle, drawn = random.uniform(left, right), random.random() < 0.85
        half = max(2.0, height * random.uniform(*(BESIDE_RULE if drawn else BARE)))
        start, stop = round(middle - half), round(middle + half)
        if start < 1 or stop >= picture.width:
            continue
        paper = _paper(values, start, stop)
        values[:, start:stop] = paper[:, None]
        lines = tuple(piece for line in lines for piece in without(line, start, stop, SHORTEST * height))
        if drawn:
            rules.append((middle, float(paper.mean())))
    parted_page = Image.fromarray(values)
    pen = ImageDraw.Draw(parted_page)
    for middle, paper_grey in rules:
        grey, width = int(paper_grey * random.uniform(0.1, 0.8)), int(random.integers(1, 4))
        lean = random.normal(0, 0.002) * picture.height  # less than the strip is wide
        pen.line([(middle - lean, 0), (middle + lean, picture.height)], fill=grey, width=width)
    return parted_page, lines


def without(line: Course, start: float, stop: float, shortest: float) -> list[Course]:
    """What is left of a line once the strip from `start` to `stop`, in pixels from the left, is taken away."""
    x = line.points[:, 0]
    if x.max() <= start or x.min() >= stop:
        return [line]
    if not (np.diff(x) > 0).all():  # it does not run level
        return []
    pieces = []
    for low, high in ((x[0], start), (stop, x[-1])):
        if high - low >= shortest:
            inner = x[(x > low) & (x < high)]
            at = np.concatenate([[low], inner, [high]])
            y, above, below = (np.interp(at, x, one) for one in (line.points[:, 1], line.above, line.below))
            pieces.append(Course(np.stack([at, y], axis=1), above, below))
    return pieces


def _paper(values: NDArray[np.uint8], start: int, stop: int) -> Values:
    """(H,) grey of the paper about a strip, row by row."""
    beside = values[:, max(0, start - PAPER_PX) : stop + PAPER_PX]
    paper: Values = ndimage.gaussian_filter1d(np.percentile(beside, 80, axis=1), 4)
    return paper
