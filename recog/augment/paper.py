"""What lies on the paper beside the writing, and what the scanner adds: all on a grey line, values (H, W) of 0 to 255."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

# A grey picture while it is worked on.
Values = NDArray[np.float32]


def paper_of(values: Values) -> float:
    """The grey of the paper: most of a line is paper."""
    return float(np.percentile(values[::2, ::2], 70))


def contrast(values: Values, random: np.random.Generator) -> Values:
    """Paler or darker ink, brighter or duller paper, and another film: a power of the grey scale."""
    paper = paper_of(values)
    paler = paper + (values - paper) * random.uniform(0.45, 1.25) + random.uniform(-30, 20)
    gamma = np.exp(random.uniform(-0.45, 0.45))
    return np.asarray(255 * np.clip(paler / 255, 0, 1) ** gamma, np.float32)


def light(values: Values, random: np.random.Generator) -> Values:
    """Uneven light: a slope across the line, and a wave along it as of a page that is bent or stained."""
    height, width = values.shape
    across = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * random.uniform(-0.12, 0.12)
    places = np.arange(width, dtype=np.float32) / height
    along = np.zeros(width, np.float32)
    for _ in range(2):
        along += random.uniform(0, 0.1) * np.cos(places * random.uniform(0.1, 0.8) + random.uniform(0, 2 * np.pi))
    lit: Values = values * np.clip(1 + across + along, 0.5, 1.3, dtype=np.float32)
    return lit


def ruled(values: Values, random: np.random.Generator) -> Values:
    """Lines printed on the paper: one under the writing, or squares; now and then a margin too."""
    height, width = values.shape
    ink = np.zeros((height, width), np.float32)
    apart = height * (random.uniform(0.7, 1.2) if random.random() < 0.7 else random.uniform(0.3, 0.5))
    lean = random.uniform(-0.02, 0.02)
    middle = np.arange(width, dtype=np.float32) * lean - width * lean / 2 + random.uniform(0.55, 0.9) * height
    rows = np.arange(height, dtype=np.float32)[:, None]
    thick = random.uniform(0.5, 1.3)
    away = np.abs((rows - middle + apart / 2) % apart - apart / 2)  # distance to the nearest line
    ink = np.maximum(ink, np.clip(thick + 0.5 - away, 0, 1))
    if apart < height / 2 or random.random() < 0.15:  # squares, or one margin
        start = random.uniform(0, apart)
        across = np.arange(start, width, apart if apart < height / 2 else width)
        columns = np.arange(width, dtype=np.float32)
        for place in across:
            ink = np.maximum(ink, np.clip(thick + 0.5 - np.abs(columns - place), 0, 1)[None, :])
    printed: Values = values * (1 - np.float32(random.uniform(0.12, 0.4)) * ink)
    return printed


def bleed(values: Values, other: Image.Image, random: np.random.Generator) -> Values:
    """The writing of the other side shows through: mirrored, soft and faint."""
    height, width = values.shape
    back = other.transpose(Image.Transpose.FLIP_LEFT_RIGHT).filter(ImageFilter.GaussianBlur(random.uniform(0.6, 1.4)))
    grey = np.asarray(back, np.float32)
    ink = np.clip(paper_of(grey) - grey, 0, None)
    ink = np.roll(ink, int(random.integers(-height // 3, height // 3 + 1)), axis=0)
    start = int(random.integers(-width // 2, width // 2 + 1))
    first, last = max(0, start), min(width, start + ink.shape[1])
    if first < last:
        values = values.copy()
        values[:, first:last] -= random.uniform(0.1, 0.3) * ink[:, first - start : last - start]
    return values


def erase(values: Values, random: np.random.Generator) -> Values:
    """Up to one hole in three heights of width, as of tears, stains and faded ink (Zhong 2020): narrower than a letter."""
    height, width = values.shape
    paper, values = paper_of(values), values.copy()
    for _ in range(int(random.integers(1, 2 + width // (3 * height)))):
        wide, high = max(1, int(random.uniform(0.04, 0.16) * height)), int(random.uniform(0.2, 0.8) * height)
        left, top = int(random.integers(0, max(1, width - wide))), int(random.integers(0, height - high + 1))
        hole = values[top : top + high, left : left + wide]
        hole += random.uniform(0.5, 0.95) * (paper + random.uniform(-15, 5) - hole)
    return values


def crop(values: Values, random: np.random.Generator) -> Values:
    """Cut too close: up to a twelfth off the top and off the bottom, the rest stretched to the height that was."""
    height, width = values.shape
    top, bottom = random.uniform(0, height / 12, 2)
    line = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    cut = line.resize((width, height), Image.Resampling.BILINEAR, box=(0, top, width, height - bottom))
    return np.asarray(cut, np.float32)


def close(values: Values, random: np.random.Generator) -> Values:
    """A strip about the middle of the letters, as an outline drawn too tight leaves of a line: a fifth to six tenths of its
    height, up to an eighth of it off, and paper above and below. The letters stay as large as they were.
    """
    height = len(values)
    paper = paper_of(values)
    ink = np.clip(paper - values - 16, 0, None).sum(axis=1)
    middle = float(ink @ (np.arange(height) + 0.5) / ink.sum()) if ink.any() else height / 2
    high = max(1, round(random.uniform(0.2, 0.6) * height))
    top = round(middle + random.uniform(-height / 8, height / 8) - high / 2)
    top = min(max(0, top), height - high)
    place, cut = (height - high) // 2, np.full_like(values, paper)
    cut[place : place + high] = values[top : top + high]
    return cut


def neighbours(values: Values, other: Image.Image, random: np.random.Generator) -> Values:
    """Remains of the lines above and below: up to a seventh of the height each, cut from another line's foot and head."""
    height, width = values.shape
    grey = np.asarray(other, np.float32)
    values = values.copy()
    for above in (True, False):
        high = int(random.uniform(0, height / 7))
        rows = np.flatnonzero((paper_of(grey) - grey).max(axis=1) > 40)
        if not high or not len(rows):
            continue
        # From within the other's writing, so that there is ink in the strip.
        edge = int(rows[-1]) if above else int(rows[0])
        strip = grey[max(0, edge - high + 1) : edge + 1] if above else grey[edge : edge + high]
        ink = np.clip(paper_of(grey) - strip, 0, None)
        ink = np.roll(np.tile(ink, (1, -(-width // ink.shape[1])))[:, :width], int(random.integers(width)), axis=1)
        if above:
            values[: len(ink)] -= ink
        else:
            values[height - len(ink) :] -= ink
    return values
