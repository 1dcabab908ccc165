"""Pages that nobody wrote on - blank, out of focus, drawn, patterned, specked, ruled - give no text, but for one in fifty."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from pipelines.handwriting import HandwritingPipeline
from recog.recognizer import DecodingOptions

Random = np.random.Generator
Grey = NDArray[np.float64]


def blank(width: int, height: int, random: Random) -> Grey:
    """Paper of any grey with a little noise, lit from one side."""
    noise = random.normal(0, random.uniform(0, 8), (height, width))
    return random.integers(30, 256) + noise + (np.arange(width) - width / 2) * random.uniform(-0.08, 0.08)


def photograph(width: int, height: int, random: Random) -> Grey:
    """Soft patches of light with ellipses and boxes before them."""
    patches = random.integers(0, 256, (height // 40 + 2, width // 40 + 2)).astype(np.uint8)
    picture = Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0, 6)))
    pen = ImageDraw.Draw(picture)
    for _ in range(30):
        (left, right), (top, bottom) = (np.sort(random.integers(0, side, 2)).tolist() for side in (width, height))
        draw = (pen.ellipse, pen.rectangle)[int(random.integers(2))]
        edge, inside = int(random.integers(256)), int(random.integers(256)) if random.random() < 0.4 else None
        draw((left, top, right, bottom), fill=inside, outline=edge, width=int(random.integers(1, 9)))
    return np.asarray(picture, dtype=np.float64)


def pattern(width: int, height: int, random: Random) -> Grey:
    """Stripes at any angle, or a lattice of waves."""
    y, x = np.mgrid[:height, :width]
    angle, period = random.uniform(0, np.pi), random.uniform(6, 60)
    if random.random() < 0.5:
        return np.asarray(128 + 100 * np.sign(np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)))
    return np.asarray(128 + 100 * np.sin(x / random.uniform(3, 20)) * np.sin(y / random.uniform(3, 20)))


def specked(width: int, height: int, random: Random) -> Grey:
    """The noise of a print or a copy: dots of toner, sharp or soft."""
    dots = (random.random((height, width)) < random.uniform(0.001, 0.15)) * random.uniform(60, 230)
    soft = Image.fromarray((235 - dots).astype(np.uint8)).filter(ImageFilter.GaussianBlur(random.uniform(0, 1.5)))
    return np.asarray(soft, dtype=np.float64)


def ruled(width: int, height: int, random: Random) -> Grey:
    """Ruled or squared writing paper, some of it in shadow."""
    y, x = np.mgrid[:height, :width]
    values, pitch = np.full((height, width), 240.0), random.uniform(15, 70)
    values[y % pitch < random.uniform(1, 3)] = random.integers(60, 200)
    if random.random() < 0.5:
        values[x % pitch < 1.5] = 150
    if random.random() < 0.4:
        values *= 0.5 + 0.5 * x / width
    return np.asarray(values + random.normal(0, 4, values.shape))


@pytest.mark.slow
def test_of_fifty_pages_without_writing_one_at_most_gives_text() -> None:
    pipeline, random = (
        HandwritingPipeline.load(options=DecodingOptions(beam=0, language=False)),
        np.random.default_rng(77),
    )
    kinds = (blank, photograph, pattern, specked, ruled)
    read = []
    for number in range(50):
        kind = kinds[number % len(kinds)]
        width, height = random.integers(500, 1400, 2).tolist()
        page = Image.fromarray(np.clip(kind(width, height, random), 0, 255).astype(np.uint8))
        text = pipeline(page).text
        if text:
            read.append((number, kind.__name__, text))
    assert len(read) <= 1, read
